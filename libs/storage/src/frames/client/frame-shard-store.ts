import { crc32c } from '@node-rs/crc32';
import type { ObjectName } from '#contracts';
import type {
  CreateOptions,
  ListedEntry,
  OpenOptions,
  PutOptions,
  RemoveOptions,
  RemoveResult,
  ShardInfo,
  ShardListing,
  ShardReader,
  ShardStore,
  ShardWriter,
} from '../../shard-store.js';
import { MAX_WHOLE_BYTES, type Space } from '../codec/frame-types.js';
import { encodeCreate, encodeGet, encodeList, encodeRemove, encodeStat } from '../codec/request-frames.js';
import { refusalOfAnswer } from './failure.js';
import type { FrameClient } from './frame-client.js';
import { FrameShardReader } from './frame-shard-reader.js';
import { FrameShardWriter } from './frame-shard-writer.js';
import type { PutBatches } from './put-batches.js';

/**
 * A store of one of our data servers, over frames (docs/protocol/frames.md). A server that cannot be
 * reached, breaks off or answers nonsense is DataServerUnavailable; what it refuses is the same code
 * here. One limit beyond the port's: a reader makes a request for each range that was not prefetched,
 * so an object replaced meanwhile fails with reason `changed`.
 */
export class FrameShardStore implements ShardStore, ShardListing {
  constructor(
    private readonly client: FrameClient,
    private readonly batches: PutBatches,
    private readonly space: Space,
  ) {}

  async put(key: ObjectName, bytes: Buffer, options: PutOptions): Promise<ShardInfo> {
    const { space } = this;
    if (bytes.length > MAX_WHOLE_BYTES) return this.putLarge(key, bytes, options);
    const request = { space, key, length: bytes.length, crc32c: crc32c(bytes), options };
    // Done twice, a condition or a move would be refused by its own first success.
    const isRepeatable = options.stamp !== undefined && !options.precondition && !options.move;
    const answer = await this.batches.put({ request, body: bytes, isRepeatable, signal: options.signal });
    if (answer.kind !== 'stored') throw refusalOfAnswer(this.client.address, answer);
    return answer.info;
  }

  async create(key: ObjectName, options: CreateOptions): Promise<ShardWriter> {
    const { space, client } = this;
    const { length, signal } = options;
    const request = (exchange: number) => [encodeCreate({ space, key, length, options }, exchange)];
    const { answer, connection } = await client.write({ kind: 'upload', request, signal }, true);
    if (answer.kind !== 'proceed') throw refusalOfAnswer(client.address, answer);
    return new FrameShardWriter(client, connection, length);
  }

  async open(key: ObjectName, { prefetch, signal }: OpenOptions = {}): Promise<ShardReader | undefined> {
    const { space, client } = this;
    const request = (exchange: number) => [encodeGet({ space, key, range: prefetch }, exchange)];
    const { answer, connection } = await client.read({ kind: 'read', request, signal });
    if (answer.kind === 'notFound') return undefined;
    if (answer.kind !== 'found') throw refusalOfAnswer(client.address, answer);
    const { found, bytes } = answer;
    return new FrameShardReader(client, { space, key }, { found, bytes, connection });
  }

  async stat(
    key: ObjectName,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<(ShardInfo & { size: number }) | undefined> {
    const request = (exchange: number) => [encodeStat(this.space, key, exchange)];
    const { answer } = await this.client.read({ kind: 'read', request, signal });
    if (answer.kind === 'notFound') return undefined;
    if (answer.kind !== 'described') throw refusalOfAnswer(this.client.address, answer);
    return answer.info;
  }

  async remove(key: ObjectName, options: RemoveOptions): Promise<RemoveResult> {
    const request = (exchange: number) => [encodeRemove(this.space, key, options, exchange)];
    // Not repeated: the second answer would say that there was nothing to remove.
    const { answer } = await this.client.write({ kind: 'write', request, signal: options.signal }, false);
    if (answer.kind !== 'removed') throw refusalOfAnswer(this.client.address, answer);
    return answer.result;
  }

  async *list({ names = false, signal }: { names?: boolean; signal?: AbortSignal } = {}): AsyncGenerator<
    readonly ListedEntry[]
  > {
    const { space, client } = this;
    const request = (exchange: number) => [encodeList({ space, names }, exchange)];
    let { answer, connection } = await client.read({ kind: 'read', request, signal });
    try {
      while (answer.kind === 'entries') {
        yield answer.entries;
        // oxlint-disable-next-line no-await-in-loop -- batch by batch
        answer = await client.receiveNext(connection);
      }
      if (answer.kind !== 'end') throw refusalOfAnswer(client.address, answer);
    } finally {
      if (answer.kind === 'entries') connection.close();
    }
  }

  private async putLarge(key: ObjectName, bytes: Buffer, options: PutOptions): Promise<ShardInfo> {
    const writer = await this.create(key, { ...options, length: bytes.length });
    try {
      await writer.write(bytes);
      return await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }
}
