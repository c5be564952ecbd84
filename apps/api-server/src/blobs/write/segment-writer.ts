import { toServerId, type BlobId, type RedundancyScheme, type ServerId } from '#metadata';
import type { BlobParts } from '../blob-parts.js';
import { coarseTimers } from '../coarse-timers.js';
import { writeQuorumOf } from '../redundancy-for.js';
import { placementKey, shardKey, shardSizeOf } from '../segment-format.js';
import { settledWithin } from '../settled-within.js';
import { stripeBuffers } from '../stripe-buffers.js';
import { removeShards } from './remove-shards.js';
import { ServerQueue } from './server-queue.js';
import { ShardLane, type Pace } from './shard-lane.js';
import { Stripe, stripeBytes } from './stripe.js';
import { writeShortfall } from './write-shortfall.js';

export interface SegmentWriterOptions {
  blobId: BlobId;
  segment: number;
  scheme: RedundancyScheme;
  /** Bytes to come, if known. */
  length: number | undefined;
  /** Servers that failed the same write before: taken last. Those that fail here are added. */
  avoid: Set<string>;
  signal: AbortSignal | undefined;
}

/**
 * Writes the shards of one segment, all at once, a stripe at a time. A shard whose server fails is left
 * out, and so is one whose server keeps a write quorum of others waiting for more than `laggardMs`
 * beyond the time that they take themselves: with a hung or slow server a segment takes at most that
 * longer, or twice as long. Without a quorum the write fails.
 *
 * Memory: the stripe that is being gathered, and those that the slowest lane has before it (its window).
 */
export class SegmentWriter {
  private readonly quorum: number;
  private readonly lanes: readonly ShardLane[];
  private reservedBytes = 0;
  private readonly failures: unknown[] = [];
  private stripe: Stripe | undefined;
  /** How long the quorum itself was waited for, ms. */
  private waitedMs = 0;
  private wake: () => void = () => {};

  private constructor(
    private readonly parts: BlobParts,
    private readonly options: SegmentWriterOptions,
  ) {
    const { blobId, segment, scheme, length, avoid } = options;
    const queue = new ServerQueue(parts, placementKey(blobId, segment), avoid);
    this.quorum = writeQuorumOf(scheme);
    if (queue.size < this.quorum) throw this.shortfall(queue.size);
    const pace = this.choosePace();
    this.lanes = Array.from(
      { length: scheme.shards },
      (_, shard) =>
        new ShardLane({
          key: shardKey({ blobId, segment, shard }),
          length: length === undefined ? undefined : shardSizeOf(scheme, length, shard),
          nextServer: () => queue.take(),
          storeOf: server => parts.servers.storeOf(server),
          beginMs: parts.settings.beginMs,
          pace,
          onChange: () => this.wake(),
          onFailure: (server, error) => {
            avoid.add(server.key);
            this.failures.push(error);
          },
        }),
    );
  }

  /** Resolves when a write quorum of servers waits for bytes. */
  static async begin(parts: BlobParts, options: SegmentWriterOptions): Promise<SegmentWriter> {
    options.signal?.throwIfAborted();
    const writer = new SegmentWriter(parts, options);
    options.signal?.addEventListener('abort', writer.onAbort);
    try {
      await writer.untilQuorum(lane => lane.state !== 'beginning');
      return writer;
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  /** As ShardWriter. All that is written must fit the segment. */
  write(chunk: Buffer): Promise<void> | undefined {
    const filled = this.fill(chunk, 0);
    return this.stripe?.isFull === true ? this.writeRest(chunk, filled) : undefined;
  }

  /** Resolves to the servers of the shards when a write quorum is durable; undefined for a shard that is nowhere. */
  async finish(): Promise<readonly (ServerId | undefined)[]> {
    if (this.stripe !== undefined) await this.send();
    for (const lane of this.lanes) lane.finish();
    await this.untilAll(lane => lane.state === 'durable');
    this.options.signal?.removeEventListener('abort', this.onAbort);
    this.unreserve();
    return this.lanes.map(({ state, server }) => (state === 'durable' && server ? toServerId(server.key) : undefined));
  }

  /** Also after `finish`: removes all shards that can be reached. Never rejects. */
  async abort(): Promise<void> {
    this.options.signal?.removeEventListener('abort', this.onAbort);
    if (this.stripe !== undefined) this.discardStripe(this.stripe);
    for (const lane of this.lanes) lane.giveUp();
    this.unreserve();
    await Promise.all(this.lanes.map(lane => this.removeShardOf(lane)));
  }

  private choosePace(): Pace {
    const { scheme } = this.options;
    if (scheme.kind === 'copies') return ONE_BY_ONE;
    const wantedBytes = (FOUR_TOGETHER.window + 1) * stripeBytes(scheme);
    if (!stripeBuffers.reserve(wantedBytes)) return ONE_BY_ONE;
    this.reservedBytes = wantedBytes;
    return FOUR_TOGETHER;
  }

  private unreserve(): void {
    stripeBuffers.unreserve(this.reservedBytes);
    this.reservedBytes = 0;
  }

  private async writeRest(chunk: Buffer, from: number): Promise<void> {
    await this.send();
    for (let at = from; at < chunk.length;) {
      at = this.fill(chunk, at);
      if (this.stripe?.isFull === true) await this.send();
    }
  }

  /** Returns where in the chunk it had to stop. */
  private fill(chunk: Buffer, at: number): number {
    if (at === chunk.length) return at;
    this.stripe ??= new Stripe(this.options.scheme, stripeBuffers);
    return at + this.stripe.fill(chunk, at);
  }

  private async removeShardOf(lane: ShardLane): Promise<void> {
    const removed = lane.ended.then(() => removeShards(this.parts, lane.stored === undefined ? [] : [lane.stored]));
    await settledWithin(this.parts.settings.cleanUpMs, removed);
  }

  private async send(): Promise<void> {
    await this.untilAll(lane => lane.hasRoom);
    const { stripe } = this;
    if (stripe === undefined) return;
    this.stripe = undefined;
    stripe.cut().forEach((bytes, shard) => this.lanes[shard]?.push({ stripe, bytes }));
  }

  private discardStripe(stripe: Stripe): void {
    this.stripe = undefined;
    for (let shard = 0; shard < this.lanes.length; shard += 1) stripe.release();
  }

  /** Waits for as many lanes as a quorum needs. */
  private async untilQuorum(isReady: (lane: ShardLane) => boolean): Promise<void> {
    for (;;) {
      const ready = this.living().filter(isReady).length;
      if (ready >= this.quorum) return;
      await this.waitForQuorum(ready);
    }
  }

  /** Waits for all lanes; for those that keep a quorum of others waiting, only for so long. */
  private async untilAll(isReady: (lane: ShardLane) => boolean): Promise<void> {
    for (;;) {
      const living = this.living();
      const behind = living.filter(lane => !isReady(lane));
      if (behind.length === 0) return;
      const ready = living.length - behind.length;
      if (ready < this.quorum) await this.waitForQuorum(ready);
      else await this.waitForLaggards(behind);
    }
  }

  private async waitForQuorum(ready: number): Promise<void> {
    const startMs = performance.now();
    if (!(await this.change(this.parts.settings.patienceMs))) throw this.shortfall(ready);
    this.waitedMs += performance.now() - startMs;
  }

  private async waitForLaggards(behind: readonly ShardLane[]): Promise<void> {
    const allowanceMs = this.parts.settings.laggardMs + this.waitedMs;
    const startMs = performance.now();
    await this.change(Math.max(0, allowanceMs - Math.max(...behind.map(lane => lane.lagMs))));
    for (const lane of behind) {
      lane.lagMs += performance.now() - startMs;
      if (lane.lagMs >= allowanceMs) this.giveUp(lane);
    }
  }

  private giveUp(lane: ShardLane): void {
    if (lane.server !== undefined) {
      this.parts.slow.note(lane.server.key);
      this.options.avoid.add(lane.server.key);
    }
    lane.giveUp();
  }

  /** False when nothing changed in this time. */
  private change(timeoutMs: number): Promise<boolean> {
    return new Promise(resolve => {
      const alarm = coarseTimers.set(timeoutMs, () => resolve(false));
      this.wake = () => {
        coarseTimers.clear(alarm);
        resolve(true);
      };
    });
  }

  /** Throws when there are too few for a quorum. */
  private living(): ShardLane[] {
    this.options.signal?.throwIfAborted();
    const living = this.lanes.filter(lane => !lane.isLost);
    if (living.length < this.quorum) throw this.shortfall(living.length);
    return living;
  }

  private shortfall(usable: number): Error {
    return writeShortfall(this.parts.servers, { quorum: this.quorum, usable, failures: this.failures });
  }

  private readonly onAbort = (): void => this.wake();
}

const ONE_BY_ONE: Pace = { window: 3, together: 1 };
/** A server is woken by each write that it gets; units alone are short. */
const FOUR_TOGETHER: Pace = { window: 8, together: 4 };
