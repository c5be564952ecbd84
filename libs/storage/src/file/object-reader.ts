import type { KeyHash } from '#contracts';
import type { ByteRange, ShardInfo, ShardReader, Sink } from '../shard-store.js';
import { noteDamage, readError } from './damaged-object.js';
import { shardInfo, type FoundObject } from './find-object.js';
import { BlockUnreadable, DamagedBlock, copyLargeFile } from './large-file-reader.js';
import type { StoreParts } from './store-parts.js';

export function objectReader(parts: StoreParts, hash: KeyHash, found: FoundObject): ShardReader {
  return 'payload' in found
    ? new PackedObjectReader(shardInfo(found), found.payload)
    : new LargeObjectReader(parts, hash, found, found.descriptor);
}

class PackedObjectReader implements ShardReader {
  constructor(
    readonly info: ShardInfo,
    private readonly payload: Buffer,
  ) {}

  async copyTo(sink: Sink, range?: ByteRange, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    const bytes = range === undefined ? this.payload : this.payload.subarray(range.first, range.last + 1);
    if (bytes.length > 0) await sink(bytes);
  }

  async close(): Promise<void> {}
}

class LargeObjectReader implements ShardReader {
  readonly info: ShardInfo & { size: number };
  private copies = 0;
  private closing = false;

  constructor(
    private readonly parts: StoreParts,
    private readonly hash: KeyHash,
    private readonly found: FoundObject,
    private readonly descriptor: number,
  ) {
    this.info = shardInfo(found);
  }

  async copyTo(sink: Sink, range?: ByteRange, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const { disk, buffers } = this.parts;
    const { size } = this.info;
    const file = { disk, buffers, descriptor: this.descriptor, size };
    this.copies += 1;
    try {
      await copyLargeFile(file, range ?? { first: 0, last: size - 1 }, sink, signal);
    } catch (error) {
      throw this.failure(error);
    } finally {
      this.copies -= 1;
      await this.closeWhenIdle();
    }
  }

  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    await this.closeWhenIdle();
  }

  /** A descriptor must not be closed while a read on it is in flight: its number may be another file's by then. */
  private async closeWhenIdle(): Promise<void> {
    if (this.closing && this.copies === 0) await this.parts.disk.close(this.descriptor).catch(() => {});
  }

  private failure(error: unknown): unknown {
    if (error instanceof DamagedBlock) return noteDamage(this.parts, this.hash, this.found.entry, error.message);
    if (!(error instanceof BlockUnreadable)) return error;
    const path = this.parts.layout.objectPath({ hash: this.hash, ...this.found.entry });
    return readError(this.parts, this.hash, path, error.cause);
  }
}
