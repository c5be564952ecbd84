import { GranaryError } from '#contracts';
import { toServerId, type BlobId, type RedundancyScheme, type ServerId } from '#metadata';
import type { BlobParts } from '../blob-parts.js';
import { coarseTimers, type Alarm } from '../coarse-timers.js';
import { writeQuorumOf } from '../redundancy-for.js';
import { placementKey, shardKey } from '../segment-format.js';
import { removeShards, type StoredShard } from './remove-shards.js';
import { ServerQueue } from './server-queue.js';
import { writeShortfall } from './write-shortfall.js';

/**
 * Stores the bytes whole as the copies of a blob's only segment, all at once, and what is tiny in rounds
 * (WriteRounds). A server that fails is replaced by the next, and so is one that has kept the quorum waiting for
 * `beginMs`. Once the quorum is durable the rest get a short grace; resolves to the servers of the copies,
 * undefined for those that were given up. On failure nothing is left that can be reached.
 *
 * A server that was given up may still be sent the bytes, and may store its copy after all: nothing
 * refers to it there, unless the repair chooses the same server and finds the work done.
 */
export function putCopies(
  parts: BlobParts,
  blobId: BlobId,
  bytes: Buffer,
  scheme: RedundancyScheme,
  signal?: AbortSignal,
): Promise<readonly (ServerId | undefined)[]> {
  const write = async (leader: BlobId): Promise<readonly (ServerId | undefined)[]> => {
    signal?.throwIfAborted();
    const queue = new ServerQueue(parts, placementKey(leader, 0));
    const copies = new CopiesWrite(parts, blobId, bytes, scheme, queue, signal);
    try {
      return await copies.run();
    } catch (error) {
      await copies.remove();
      throw error;
    }
  };
  return bytes.length > MAX_TINY_BYTES ? write(blobId) : parts.rounds.join(blobId, write);
}

/** What a server takes longer for than for a sync of its disk goes its own way, so that all servers share the work. */
const MAX_TINY_BYTES = 4096;

class CopiesWrite {
  private readonly holders: (ServerId | undefined)[];
  private readonly failures: unknown[] = [];
  /** Which copy each is to be. */
  private readonly pending = new Map<StoredShard, number>();
  /** Where a copy is, or may be. */
  private readonly stored: StoredShard[] = [];
  private readonly quorum: number;
  private durable = 0;
  private outcome: 'open' | 'stored' | 'failed' = 'open';
  private timer: Alarm | undefined;
  private resolve: (holders: readonly (ServerId | undefined)[]) => void = () => {};
  private reject: (error: unknown) => void = () => {};

  constructor(
    private readonly parts: BlobParts,
    private readonly blobId: BlobId,
    private readonly bytes: Buffer,
    scheme: RedundancyScheme,
    private readonly queue: ServerQueue,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.quorum = writeQuorumOf(scheme);
    this.holders = Array.from({ length: scheme.shards }, () => undefined);
  }

  run(): Promise<readonly (ServerId | undefined)[]> {
    return new Promise((resolve, reject) => {
      [this.resolve, this.reject] = [resolve, reject];
      if (this.queue.size < this.quorum) return this.fail(this.shortfall(this.queue.size));
      this.signal?.addEventListener('abort', this.end);
      const { beginMs, patienceMs } = this.parts.settings;
      this.timer = coarseTimers.set(Math.min(beginMs, patienceMs), this.replaceSlow);
      for (let copy = 0; copy < this.holders.length; copy += 1) this.putAtNext(copy);
    });
  }

  /** After a failure. What is still under way is removed when it turns out to have been stored. */
  remove(): Promise<void> {
    return removeShards(this.parts, this.stored);
  }

  private putAtNext(copy: number): void {
    const server = this.queue.take();
    if (server === undefined) return this.progress();
    const shard = { server, key: shardKey({ blobId: this.blobId, segment: 0, shard: copy }) };
    this.pending.set(shard, copy);
    this.parts.servers
      .storeOf(server)
      .put(shard.key, this.bytes, this.signal === undefined ? {} : { signal: this.signal })
      .then(
        () => this.onDurable(copy, shard),
        (error: unknown) => this.onFailure(copy, shard, error),
      );
  }

  private onDurable(copy: number, shard: StoredShard): void {
    if (this.outcome === 'open' && this.holders[copy] !== undefined) return this.dropExtra(shard);
    this.keep(shard);
    if (this.outcome !== 'open') return;
    this.holders[copy] = toServerId(shard.server.key);
    this.durable += 1;
    this.progress();
  }

  private onFailure(copy: number, shard: StoredShard, error: unknown): void {
    if (mayBeStored(error)) this.keep(shard);
    else this.pending.delete(shard);
    if (this.outcome !== 'open') return;
    this.failures.push(error);
    if (this.holders[copy] === undefined) this.putAtNext(copy);
    else this.progress();
  }

  /** Of a copy that was replaced both may come; one is enough. */
  private dropExtra(shard: StoredShard): void {
    this.pending.delete(shard);
    void removeShards(this.parts, [shard]);
    this.progress();
  }

  private keep(shard: StoredShard): void {
    this.pending.delete(shard);
    if (this.outcome === 'failed') void removeShards(this.parts, [shard]);
    else this.stored.push(shard);
  }

  private progress(): void {
    if (this.pending.size === 0 || this.durable === this.holders.length) return this.end();
    if (this.durable !== this.quorum) return;
    coarseTimers.clear(this.timer);
    this.timer = coarseTimers.set(this.parts.settings.stragglerGraceMs, this.end);
  }

  /** The servers that are out may still answer; others get the same copies beside them. */
  private readonly replaceSlow = (): void => {
    const { patienceMs, beginMs } = this.parts.settings;
    this.timer = coarseTimers.set(Math.max(0, patienceMs - beginMs), this.end);
    // Taken before: those that are asked now are not to be replaced at once.
    const out = Array.from(this.pending);
    for (const [{ server }, copy] of out) {
      this.parts.slow.note(server.key);
      this.putAtNext(copy);
    }
  };

  private readonly end = (): void => {
    for (const { server } of this.pending.keys()) this.parts.slow.note(server.key);
    if (this.signal?.aborted === true) return this.fail(this.signal.reason);
    if (this.durable < this.quorum) return this.fail(this.shortfall(this.durable));
    this.settle('stored');
    this.resolve(this.holders);
  };

  private fail(error: unknown): void {
    this.settle('failed');
    this.reject(error);
  }

  private settle(outcome: 'stored' | 'failed'): void {
    this.outcome = outcome;
    coarseTimers.clear(this.timer);
    this.signal?.removeEventListener('abort', this.end);
  }

  private shortfall(usable: number): GranaryError {
    const { quorum, failures } = this;
    return writeShortfall(this.parts.servers, { quorum, usable, failures });
  }
}

/** Whether a server that failed may have the shard all the same. */
function mayBeStored(error: unknown): boolean {
  if (!(error instanceof GranaryError)) return true;
  return error.code === 'data-server-unavailable' && !('mayHaveHappened' in error && error.mayHaveHappened === false);
}
