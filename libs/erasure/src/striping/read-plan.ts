import { EMPTY_RANGE, checkRange, hull, isEmpty, type ByteRange } from './byte-range.js';
import { columnsIn, shardBytesBefore, unitBytesOf, type SegmentLayout } from './segment-layout.js';

/** Bytes that follow one another both in the segment and in a data shard. */
export interface DataSlice {
  readonly shard: number;
  /** Where they are in the shard. Never empty. */
  readonly range: ByteRange;
  /** Where they begin in the segment. */
  readonly offsetBytes: number;
}

/** The slices that put together are a range of the segment, in its order. */
export function* slicesOf(layout: SegmentLayout, range: ByteRange): Generator<DataSlice> {
  checkRange(range, layout.segmentBytes);
  for (let at = range.start; at < range.end;) {
    const stripe = Math.floor(at / layout.stripeBytes);
    const unitBytes = unitBytesOf(layout, stripe);
    const inStripe = at - stripe * layout.stripeBytes;
    const shard = Math.floor(inStripe / unitBytes);
    const inUnit = inStripe - shard * unitBytes;
    const bytes = Math.min(unitBytes - inUnit, range.end - at);
    const start = stripe * layout.unitBytes + inUnit;
    yield { shard, range: { start, end: start + bytes }, offsetBytes: at };
    at += bytes;
  }
}

/** All that a data shard has of a range of the segment: always one range of the shard. */
export function shardRangeOf(layout: SegmentLayout, shard: number, range: ByteRange): ByteRange {
  checkRange(range, layout.segmentBytes);
  return { start: shardBytesBefore(layout, shard, range.start), end: shardBytesBefore(layout, shard, range.end) };
}

/** What to read of a segment for a range of it. */
export interface ReadPlan {
  /** Of each shard one range, in the order of the shards. None is empty unless the shard is a source and ends before `columns`. */
  readonly reads: readonly { readonly shard: number; readonly range: ByteRange }[];
  /** Data shards that hold part of the range and cannot be read: to be reconstructed from the k in `reads`. */
  readonly missing: readonly number[];
  /** The columns to reconstruct, in all missing shards; empty when none is missing. */
  readonly columns: ByteRange;
}

/**
 * Plans the least reading for a range of a segment. `readable` are the shards that can be read, the
 * preferred first. While all data shards that hold part of the range are readable, only their parts
 * are read. Else k shards are, for the columns that are missing, and their own parts of the range with
 * them. Undefined when fewer than k are readable and k are needed.
 */
export function planRead(layout: SegmentLayout, range: ByteRange, readable: readonly number[]): ReadPlan | undefined {
  const own = new Map<number, ByteRange>();
  for (let shard = 0; shard < layout.dataShards; shard += 1) {
    const part = shardRangeOf(layout, shard, range);
    if (!isEmpty(part)) own.set(shard, part);
  }
  const missing = [...own.keys()].filter(shard => !readable.includes(shard));
  if (missing.length === 0) return { reads: inOrder(own), missing, columns: EMPTY_RANGE };
  const columns = missing.map(shard => own.get(shard) ?? EMPTY_RANGE).reduce(hull);
  const sources = [...new Set([...readable.filter(shard => own.has(shard)), ...readable])];
  if (sources.length < layout.dataShards) return undefined;
  const reads = sources
    .slice(0, layout.dataShards)
    .map(shard => [shard, hull(own.get(shard) ?? EMPTY_RANGE, columnsIn(layout, shard, columns))] as const);
  return { reads: inOrder(new Map(reads)), missing, columns };
}

function inOrder(ranges: ReadonlyMap<number, ByteRange>): { shard: number; range: ByteRange }[] {
  return [...ranges].map(([shard, range]) => ({ shard, range })).toSorted((a, b) => a.shard - b.shard);
}
