import { crc32c } from '@node-rs/crc32';
import type { ObjectName } from '#contracts';
import { checkTransfer } from '../damaged-transfer.js';
import { MemoryShardStore } from '../memory/memory-shard-store.js';
import type { CreateOptions, LocalShardWriter, OpenOptions, ShardReader } from '../shard-store.js';

/** Knows how many bytes of streams it gave or took in one turn of the event loop, at most. */
export class MeteredStore extends MemoryShardStore {
  mostBytesPerTurn = 0;
  private bytesOfTurn = 0;

  override async open(key: ObjectName, options?: OpenOptions): Promise<ShardReader | undefined> {
    const reader = await super.open(key, options);
    if (reader === undefined) return undefined;
    const copyTo: ShardReader['copyTo'] = (sink, ...more) =>
      reader.copyTo(
        (chunk, isMoreComing) => {
          this.count(chunk.length);
          return sink(chunk, isMoreComing);
        },
        ...more,
      );
    return { ...reader, copyTo };
  }

  override async create(key: ObjectName, options: CreateOptions): Promise<LocalShardWriter> {
    const chunks: Buffer[] = [];
    return {
      checksTransfers: true,
      releasesChunks: true,
      // At once, always: nothing but the mover itself makes it wait.
      write: chunk => {
        this.count(chunk.length);
        chunks.push(Buffer.from(chunk));
        return undefined;
      },
      commit: ({ crc32c: sent, ...late } = {}) => {
        const bytes = Buffer.concat(chunks);
        checkTransfer(crc32c(bytes), sent);
        return this.put(key, bytes, { ...options, ...late });
      },
      abort: async () => {},
    };
  }

  private count(bytes: number): void {
    if (this.bytesOfTurn === 0) setImmediate(() => (this.bytesOfTurn = 0));
    this.bytesOfTurn += bytes;
    this.mostBytesPerTurn = Math.max(this.mostBytesPerTurn, this.bytesOfTurn);
  }
}
