import { columnsIn, shapeOf, slicesOf, stripesOf, type ByteRange, type ReadPlan, type Stripe } from '#erasure';
import type { NewBlob } from '#metadata';
import type { Sink } from '#storage';
import type { BlobParts } from '../blob-parts.js';
import { coderOf } from '../coders.js';
import { UNIT_BYTES, shardKey } from '../segment-format.js';
import { stripeBuffers } from '../stripe-buffers.js';
import { geometryOf, type SegmentGeometry } from './segment-geometry.js';
import { SegmentShards } from './segment-shards.js';
import { ShardFailure, ShardStream } from './shard-stream.js';

export interface SegmentRead {
  blob: NewBlob;
  segment: number;
  /** Of the whole segment. */
  sizeBytes: number;
  range: ByteRange;
}

/**
 * Feeds a range of one segment to the sink. While the shards that hold it can be read nothing else is,
 * and their chunks are passed on as they are. When one is dead, slow, damaged or missing, the rest of
 * the range is planned anew without it: another copy from the byte where it broke, or k others from
 * that column on, decoded a stripe at a time. Holds k+m units at most, and those only to decode.
 */
export async function readSegment(
  parts: BlobParts,
  read: SegmentRead,
  sink: Sink,
  signal: AbortSignal | undefined,
): Promise<void> {
  const reader = new SegmentReader(parts, read, sink, signal);
  try {
    await reader.run();
  } finally {
    reader.close();
  }
}

class SegmentReader {
  private readonly shards: SegmentShards;
  private readonly geometry: SegmentGeometry;
  private readonly streams = new Map<number, ShardStream>();
  /** The next byte of the segment that the sink is to get. */
  private at: number;
  private readonly end: number;

  constructor(
    private readonly parts: BlobParts,
    private readonly read: SegmentRead,
    private readonly sink: Sink,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.shards = new SegmentShards(parts, read.blob, read.segment);
    this.geometry = geometryOf(this.shards.scheme, read.sizeBytes);
    [this.at, this.end] = [read.range.start, read.range.end];
  }

  async run(): Promise<void> {
    while (this.at < this.end) {
      const plan = this.plan();
      try {
        this.openStreams(plan);
        if (plan.missing.length === 0) await this.relay(plan);
        else await this.decode(plan);
      } catch (error) {
        if (!(error instanceof ShardFailure)) throw error;
        this.drop(error);
      }
    }
  }

  close(): void {
    for (const stream of this.streams.values()) stream.close();
  }

  private plan(): ReadPlan {
    for (const reluctance of [0, 1, 2] as const) {
      const plan = this.geometry.plan({ start: this.at, end: this.end }, this.shards.readable(reluctance));
      if (plan !== undefined) return plan;
    }
    throw this.shards.failure();
  }

  private drop(failure: ShardFailure): void {
    this.shards.note(failure);
    this.streams.get(failure.shard)?.letGo();
    this.streams.delete(failure.shard);
  }

  /** Those that are where the plan wants them go on. */
  private openStreams({ reads }: ReadPlan): void {
    for (const { shard, range } of reads) {
      if (range.start === range.end) continue;
      const present = this.streams.get(shard);
      if (present?.position === range.start && present.end >= range.end) continue;
      present?.close();
      this.streams.set(shard, this.openStream(shard, range));
    }
  }

  private openStream(shard: number, range: ByteRange): ShardStream {
    const { blob, segment } = this.read;
    return new ShardStream({
      shard,
      key: shardKey({ blobId: blob.id, segment, shard }),
      store: this.shards.storeOf(shard),
      sizeBytes: this.geometry.shardBytes(shard),
      range,
      lingerMs: this.parts.settings.patienceMs,
      signal: this.signal,
    });
  }

  /** All that has come is passed on at once; what has not come is waited for with nothing held. */
  private async relay(plan: ReadPlan): Promise<void> {
    const held: Held[] = [];
    for (const { shard, range } of this.geometry.slices(plan, { start: this.at, end: this.end })) {
      const stream = this.streamOf(shard);
      for (let at = range.start; at < range.end;) {
        let bytes = stream.take(range.end - at);
        if (bytes === undefined) {
          await this.passOn(held);
          bytes = await this.takenFrom(stream, shard, range.end - at);
        }
        held.push({ stream, bytes });
        at += bytes.length;
      }
    }
    await this.passOn(held);
  }

  /** Passes on what is held, and lets go of it. */
  private async passOn(held: Held[]): Promise<void> {
    await this.feed(held.map(({ bytes }) => bytes));
    for (const { stream } of held.splice(0)) stream.release();
  }

  /** Puts together what was read and what is made from it, a stripe at a time. */
  private async decode(plan: ReadPlan): Promise<void> {
    const { layout } = this.geometry;
    const shards = [...plan.reads.map(({ shard }) => shard), ...plan.missing];
    const units = new Map(shards.map(shard => [shard, stripeBuffers.take(UNIT_BYTES)]));
    try {
      for (const stripe of stripesOf(layout, { start: this.at, end: this.end })) {
        await this.gather(plan, stripe, units);
        this.reconstruct(plan, stripe, units);
        const range = { start: this.at, end: Math.min(this.end, stripe.range.end) };
        const slices = Array.from(slicesOf(layout, range));
        await this.feed(slices.map(slice => within(units, slice.shard, slice.range, stripe)));
      }
    } finally {
      for (const unit of units.values()) stripeBuffers.give(unit);
    }
  }

  private async gather({ reads }: ReadPlan, stripe: Stripe, units: ReadonlyMap<number, Buffer>): Promise<void> {
    for (const { shard, range } of reads) {
      const wanted = overlap(range, stripe.columns);
      const into = within(units, shard, wanted, stripe);
      for (let at = 0; at < into.length;) {
        const stream = this.streamOf(shard);
        const bytes = await this.takenFrom(stream, shard, into.length - at);
        at += bytes.copy(into, at);
        stream.release();
      }
    }
  }

  private reconstruct({ reads, missing, columns }: ReadPlan, stripe: Stripe, units: ReadonlyMap<number, Buffer>): void {
    const { layout } = this.geometry;
    const lost = overlap(columns, stripe.columns);
    if (lost.start === lost.end) return;
    const columnsOf = (shard: number): Buffer => within(units, shard, columnsIn(layout, shard, lost), stripe);
    const isRead = new Set(reads.map(({ shard }) => shard));
    const sources = Array.from({ length: this.shards.scheme.shards }, (_, shard) =>
      isRead.has(shard) ? columnsOf(shard) : undefined,
    );
    const wanted = missing.map(shard => ({ shard, into: columnsOf(shard) }));
    coderOf(this.shards.scheme).reconstruct(sources, wanted, shapeOf(layout, lost));
  }

  private async feed(chunks: readonly Buffer[]): Promise<void> {
    for (const [index, chunk] of chunks.entries()) {
      const taking = this.sink(chunk, index < chunks.length - 1);
      if (taking !== undefined) await taking;
      this.at += chunk.length;
    }
  }

  private streamOf(shard: number): ShardStream {
    const stream = this.streams.get(shard);
    if (stream === undefined) throw new Error(`Shard ${shard} is not being read.`);
    return stream;
  }

  /** A server that can be spared gets less time than one that cannot. */
  private async takenFrom(stream: ShardStream, shard: number, mostBytes: number): Promise<Buffer> {
    const { hedgeMs, patienceMs } = this.parts.settings;
    for (;;) {
      const bytes = stream.take(mostBytes);
      if (bytes !== undefined) return bytes;
      await stream.wait(this.shards.canSpare(shard) ? hedgeMs : patienceMs);
    }
  }
}

/** Bytes that were taken, and are the stream's until it is told. */
interface Held {
  stream: ShardStream;
  bytes: Buffer;
}

/** The part of a shard that lies in a stripe, in the buffer for that shard's unit of it. */
function within(units: ReadonlyMap<number, Buffer>, shard: number, part: ByteRange, { columns }: Stripe): Buffer {
  const unit = units.get(shard);
  if (unit === undefined) throw new Error(`Shard ${shard} is not in the plan.`);
  return unit.subarray(part.start - columns.start, part.end - columns.start);
}

function overlap(a: ByteRange, b: ByteRange): ByteRange {
  const start = Math.max(a.start, b.start);
  return { start, end: Math.max(start, Math.min(a.end, b.end)) };
}
