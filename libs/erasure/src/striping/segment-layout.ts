import type { ColumnShape } from '../column-shape.js';
import { checkRange, clip, type ByteRange } from './byte-range.js';

/**
 * How a segment lies on k data shards. It is cut into stripes of k · `unitBytes` bytes; of each stripe
 * shard 0 has the first unit, shard 1 the second, and so on. The last stripe is cut into units of
 * `lastUnitBytes` = ⌈its bytes / k⌉ instead, so that a short one is spread evenly: its last data
 * shards may then have less than a unit, or nothing. Parity shards are as long as data shard 0.
 *
 * Every unit of a stripe begins at the same offset in its shard, so a stripe is a range of columns
 * (`ColumnShape`) and can be encoded as soon as its bytes are there.
 */
export interface SegmentLayout {
  readonly segmentBytes: number;
  /** k. */
  readonly dataShards: number;
  readonly unitBytes: number;
  /** k · `unitBytes`. */
  readonly stripeBytes: number;
  /** Stripes, the last one too. 0 for an empty segment. */
  readonly stripes: number;
  /** From 1 to `unitBytes`; 0 for an empty segment. */
  readonly lastUnitBytes: number;
}

/** One stripe of a segment. */
export interface Stripe {
  /** Counted from 0. */
  readonly stripe: number;
  /** Its bytes in the segment. */
  readonly range: ByteRange;
  /** The bytes of its units: data shard i has those of `range` from `range.start + i * unitBytes` on, if there are any. */
  readonly unitBytes: number;
  /** Where its units lie in the shards. Data shards may end within. */
  readonly columns: ByteRange;
}

/** RangeError when the numbers are not a layout. */
export function layOutSegment(segmentBytes: number, dataShards: number, unitBytes: number): SegmentLayout {
  if (!Number.isSafeInteger(segmentBytes) || segmentBytes < 0) {
    throw new RangeError(`A segment cannot have ${segmentBytes} bytes.`);
  }
  if (!Number.isSafeInteger(dataShards) || dataShards < 1 || !Number.isSafeInteger(unitBytes) || unitBytes < 1) {
    throw new RangeError(`A stripe cannot have ${dataShards} units of ${unitBytes} bytes.`);
  }
  const stripeBytes = dataShards * unitBytes;
  const stripes = Math.ceil(segmentBytes / stripeBytes);
  const lastStripeBytes = segmentBytes - Math.max(0, stripes - 1) * stripeBytes;
  const lastUnitBytes = Math.ceil(lastStripeBytes / dataShards);
  return { segmentBytes, dataShards, unitBytes, stripeBytes, stripes, lastUnitBytes };
}

/** The length of a shard: 0 … k-1 data, any other number parity. Never more than that of shard 0. */
export function shardBytes(layout: SegmentLayout, shard: number): number {
  return shardBytesBefore(layout, shard < layout.dataShards ? shard : 0, layout.segmentBytes);
}

/** How many bytes of a data shard come before this offset of the segment. */
export function shardBytesBefore(layout: SegmentLayout, shard: number, offset: number): number {
  const stripe = Math.floor(offset / layout.stripeBytes);
  const unitBytes = unitBytesOf(layout, stripe);
  const inStripe = offset - stripe * layout.stripeBytes;
  return stripe * layout.unitBytes + Math.min(unitBytes, Math.max(0, inStripe - shard * unitBytes));
}

/** The unit of a stripe: shorter in the last. */
export function unitBytesOf(layout: SegmentLayout, stripe: number): number {
  return stripe === layout.stripes - 1 ? layout.lastUnitBytes : layout.unitBytes;
}

/** The stripes that hold a range of the segment (all of it unless said otherwise), whole and in order. */
export function* stripesOf(
  layout: SegmentLayout,
  range: ByteRange = { start: 0, end: layout.segmentBytes },
): Generator<Stripe> {
  checkRange(range, layout.segmentBytes);
  if (range.start === range.end) return;
  const { stripeBytes, segmentBytes } = layout;
  for (let stripe = Math.floor(range.start / stripeBytes); stripe * stripeBytes < range.end; stripe += 1) {
    const [start, unitBytes] = [stripe * stripeBytes, unitBytesOf(layout, stripe)];
    const column = stripe * layout.unitBytes;
    yield {
      stripe,
      range: { start, end: Math.min(segmentBytes, start + stripeBytes) },
      unitBytes,
      columns: { start: column, end: column + unitBytes },
    };
  }
}

/** What part of some columns a shard has: less than all where the shard ends before. */
export function columnsIn(layout: SegmentLayout, shard: number, columns: ByteRange): ByteRange {
  return clip(columns, shardBytes(layout, shard));
}

/** What `ReedSolomon` is to know of these columns, of one stripe or of many. RangeError for columns that no shard has. */
export function shapeOf(layout: SegmentLayout, columns: ByteRange): ColumnShape {
  checkRange(columns, shardBytes(layout, 0));
  return {
    widthBytes: columns.end - columns.start,
    dataBytes: Array.from({ length: layout.dataShards }, (_, shard) => {
      const { start, end } = columnsIn(layout, shard, columns);
      return end - start;
    }),
  };
}
