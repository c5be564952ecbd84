import { GranaryError, type ObjectName } from '#contracts';
import type { ByteRange } from '#erasure';
import type { ShardReader, ShardStore, Sink } from '#storage';
import { coarseTimers, type Alarm } from '../coarse-timers.js';

/** `missing`, `damaged`: the server says so, or sends what cannot be the shard. `silent`: it fails. `slow`: it keeps us waiting. */
export type ShardFault = 'missing' | 'damaged' | 'silent' | 'slow';

export class ShardFailure extends Error {
  constructor(
    readonly shard: number,
    readonly fault: ShardFault,
    cause?: unknown,
  ) {
    super(`Shard ${shard} is ${fault}.`, { cause });
  }
}

export interface ShardStreamOptions {
  shard: number;
  key: ObjectName;
  store: ShardStore;
  /** Of the whole shard, bytes. */
  sizeBytes: number;
  /** Not empty. */
  range: ByteRange;
  /** How long a read that was let go may go on. */
  lingerMs: number;
  signal: AbortSignal | undefined;
}

/**
 * A range of a shard, pulled instead of pushed and without copying: a chunk stays with its store until
 * all of it was taken, so that nothing piles up here however many shards are read at once.
 */
export class ShardStream {
  /** The next byte of the shard that `take` gives. */
  position: number;
  readonly end: number;
  private received: number;
  private parked: Buffer = NOTHING;
  private releaseChunk: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  private waiter: { alarm: Alarm; resolve: () => void; reject: (error: unknown) => void } | undefined;
  private failure: ShardFailure | undefined;
  private isClosed = false;
  private readonly abortion = new AbortController();

  constructor(private readonly options: ShardStreamOptions) {
    this.position = this.received = options.range.start;
    this.end = options.range.end;
    options.signal?.addEventListener('abort', this.onAbort);
    void this.run();
  }

  /** Up to so many bytes, valid until `release`; undefined when there are none yet. */
  take(mostBytes: number): Buffer | undefined {
    if (this.parked.length === 0) return undefined;
    const bytes = this.parked.subarray(0, mostBytes);
    this.parked = this.parked.subarray(bytes.length);
    this.position += bytes.length;
    return bytes;
  }

  /** The bytes that were taken are not needed any more. */
  release(): void {
    if (this.parked.length > 0) return;
    this.releaseChunk?.resolve();
    this.releaseChunk = undefined;
  }

  /** Resolves when `take` has bytes. Rejects with ShardFailure, or with the signal's reason. */
  wait(timeoutMs: number): Promise<void> {
    if (this.options.signal?.aborted === true) return Promise.reject(this.options.signal.reason);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      const alarm = coarseTimers.set(timeoutMs, () => this.settle(new ShardFailure(this.options.shard, 'slow')));
      this.waiter = { alarm, resolve, reject };
    });
  }

  /** Ends the read at once, unless it is at its end. */
  close(): void {
    if (this.stop()) this.abortion.abort(CLOSED);
  }

  /** Like `close`, but leaves the store some time to find out by itself that its server hangs, and to tell of it. */
  letGo(): void {
    if (!this.stop()) return;
    coarseTimers.set(this.options.lingerMs, () => this.abortion.abort(CLOSED));
  }

  /** Whether the store has anything left to do. */
  private stop(): boolean {
    if (this.isClosed) return false;
    this.isClosed = true;
    this.options.signal?.removeEventListener('abort', this.onAbort);
    if (this.position === this.end) {
      this.release();
      return false;
    }
    this.parked = NOTHING;
    this.releaseChunk?.reject(CLOSED);
    return true;
  }

  private async run(): Promise<void> {
    try {
      const reader = await this.open();
      try {
        await this.copyFrom(reader);
      } finally {
        await reader.close();
      }
    } catch (error) {
      this.fail(error);
    }
  }

  private async open(): Promise<ShardReader> {
    const { key, store, shard, sizeBytes } = this.options;
    const { signal } = this.abortion;
    const prefetch = this.isWhole ? {} : { prefetch: { first: this.position, last: this.end - 1 } };
    const reader = await store.open(key, { ...prefetch, signal });
    if (reader === undefined) throw new ShardFailure(shard, 'missing');
    if (reader.info.size === sizeBytes) return reader;
    await reader.close();
    throw new ShardFailure(shard, 'damaged', new Error(`${reader.info.size} bytes instead of ${sizeBytes}`));
  }

  private async copyFrom(reader: ShardReader): Promise<void> {
    if (this.isClosed) return;
    const range = this.isWhole ? undefined : { first: this.position, last: this.end - 1 };
    await reader.copyTo(this.sink, range, { signal: this.abortion.signal });
    if (this.received < this.end) throw new Error(`The shard ended at ${this.received} of ${this.end} bytes.`);
  }

  private readonly sink: Sink = chunk => {
    if (this.isClosed && this.position < this.end) throw CLOSED;
    this.received += chunk.length;
    if (this.received > this.end) throw new Error(`The shard goes on after ${this.end} bytes.`);
    if (chunk.length === 0) return undefined;
    this.parked = chunk;
    const released = new Promise<void>((resolve, reject) => (this.releaseChunk = { resolve, reject }));
    this.settle();
    return released;
  };

  private fail(error: unknown): void {
    if (this.isClosed) return;
    const { shard } = this.options;
    this.failure = error instanceof ShardFailure ? error : new ShardFailure(shard, faultOf(error), error);
    this.settle(this.failure);
  }

  private readonly onAbort = (): void => {
    this.settle(this.options.signal?.reason);
    this.close();
  };

  private settle(error?: unknown): void {
    const { waiter } = this;
    this.waiter = undefined;
    coarseTimers.clear(waiter?.alarm);
    if (error === undefined) waiter?.resolve();
    else waiter?.reject(error);
  }

  private get isWhole(): boolean {
    return this.options.range.start === 0 && this.end === this.options.sizeBytes;
  }
}

const NOTHING = Buffer.alloc(0);
const CLOSED = new Error('The shard is not read any further.');

export function faultOf(error: unknown): ShardFault {
  return error instanceof GranaryError && error.code === 'object-damaged' ? 'damaged' : 'silent';
}
