import type { ByteRange } from '#erasure';
import type { NewBlob } from '#metadata';
import { contentHash, type ShardReader, type Sink } from '#storage';
import type { BlobParts } from '../blob-parts.js';
import { coarseTimers, type Alarm } from '../coarse-timers.js';
import { shardKey } from '../segment-format.js';
import { SegmentShards } from './segment-shards.js';
import { ShardFailure, faultOf } from './shard-stream.js';

/**
 * Feeds a range of a blob that is stored whole in one segment. All of it is read from one copy and
 * verified by its digest before the first byte is given on, so that any copy can replace any other. If
 * a copy is slow a second is asked beside it, and the first that is whole is taken.
 */
export function readSmall(
  parts: BlobParts,
  blob: NewBlob,
  range: ByteRange,
  sink: Sink,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new SmallRead(parts, blob, range, sink, signal).run();
}

class SmallRead {
  private readonly shards: SegmentShards;
  private readonly asked = new Set<number>();
  private underWay = 0;
  /** The copy whose bytes the sink gets. */
  private winner: number | undefined;
  private isOver = false;
  private timer: Alarm | undefined;
  private resolve: () => void = () => {};
  private reject: (error: unknown) => void = () => {};

  constructor(
    private readonly parts: BlobParts,
    private readonly blob: NewBlob,
    private readonly range: ByteRange,
    private readonly sink: Sink,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.shards = new SegmentShards(parts, blob, 0);
  }

  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      [this.resolve, this.reject] = [resolve, reject];
      this.signal?.addEventListener('abort', this.onAbort);
      this.askNext();
    });
  }

  private askNext(): void {
    if (this.isOver || this.winner !== undefined) return;
    const shard = this.shards.bestOf(this.asked);
    coarseTimers.clear(this.timer);
    if (shard === undefined) return this.awaitTheRest();
    this.asked.add(shard);
    this.underWay += 1;
    const { hedgeMs, patienceMs } = this.parts.settings;
    this.timer = coarseTimers.set(this.shards.canSpare(shard) ? hedgeMs : patienceMs, () => this.onSlow(shard));
    this.ask(shard).then(
      () => this.end(),
      (error: unknown) => this.onFailure(shard, error),
    );
  }

  private async ask(shard: number): Promise<void> {
    const key = shardKey({ blobId: this.blob.id, segment: 0, shard });
    const reader = await this.shards.storeOf(shard).open(key, this.signal === undefined ? {} : { signal: this.signal });
    if (reader === undefined) throw new ShardFailure(shard, 'missing');
    try {
      await this.copy(reader, shard);
    } finally {
      await reader.close();
    }
  }

  private async copy(reader: ShardReader, shard: number): Promise<void> {
    const { size } = this.blob;
    if (reader.info.size !== size) throw new ShardFailure(shard, 'damaged');
    let collected: Buffer | undefined;
    let received = 0;
    await reader.copyTo(chunk => {
      if (this.isOver || this.winner !== undefined) throw NOT_WANTED;
      if (chunk.length === size) return this.deliver(chunk, shard);
      collected ??= Buffer.allocUnsafe(size);
      received += chunk.copy(collected, received);
      return received === size ? this.deliver(collected, shard) : undefined;
    });
    if (this.winner === undefined) throw new ShardFailure(shard, 'damaged');
  }

  private deliver(bytes: Buffer, shard: number): Promise<void> | undefined {
    if (contentHash.of(bytes).toString('hex') !== this.blob.blake3) throw new ShardFailure(shard, 'damaged');
    this.winner = shard;
    coarseTimers.clear(this.timer);
    this.parts.hot.keep(this.blob.id, bytes);
    return this.sink(bytes.subarray(this.range.start, this.range.end));
  }

  private onFailure(shard: number, error: unknown): void {
    this.underWay -= 1;
    if (this.isOver) return;
    if (this.winner === shard) return this.end(error);
    if (error !== NOT_WANTED) this.note(shard, error);
    this.askNext();
  }

  private note(shard: number, error: unknown): void {
    this.shards.note(error instanceof ShardFailure ? error : new ShardFailure(shard, faultOf(error), error));
  }

  /** Its server is left to answer, or to be found out as hung. */
  private onSlow(shard: number): void {
    const server = this.shards.serverOf(shard);
    if (server !== undefined) this.parts.slow.note(server.key);
    this.askNext();
  }

  /** No copy is left to ask. */
  private awaitTheRest(): void {
    if (this.underWay === 0) return this.end(this.shards.failure());
    this.timer = coarseTimers.set(this.parts.settings.patienceMs, () => this.end(this.shards.failure()));
  }

  private readonly onAbort = (): void => {
    if (this.winner === undefined) this.end(this.signal?.reason);
  };

  private end(error?: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    coarseTimers.clear(this.timer);
    this.signal?.removeEventListener('abort', this.onAbort);
    if (error === undefined) this.resolve();
    else this.reject(error);
  }
}

const NOT_WANTED = new Error('Another copy was taken.');
