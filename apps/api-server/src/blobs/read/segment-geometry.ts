import { planRead, slicesOf, type ByteRange, type DataSlice, type ReadPlan, type SegmentLayout } from '#erasure';
import type { RedundancyScheme } from '#metadata';
import { layOut, shardSizeOf } from '../segment-format.js';

/** How the bytes of one segment lie on its shards, in the terms of erasure-coded ones. */
export interface SegmentGeometry {
  readonly layout: SegmentLayout;
  shardBytes(shard: number): number;
  /** See planRead: which shards to read, of those that are readable, for a range. */
  plan(range: ByteRange, readable: readonly number[]): ReadPlan | undefined;
  /** Where the bytes of a range are, in its order. */
  slices(plan: ReadPlan, range: ByteRange): Iterable<DataSlice>;
}

export function geometryOf(scheme: RedundancyScheme, segmentBytes: number): SegmentGeometry {
  const layout = layOut(segmentBytes, scheme);
  const shardBytes = (shard: number): number => shardSizeOf(scheme, segmentBytes, shard);
  if (scheme.kind === 'copies') return { layout, shardBytes, plan: planCopy, slices: sliceOfCopy };
  return {
    layout,
    shardBytes,
    plan: (range, readable) => planRead(layout, range, readable),
    slices: (_, range) => slicesOf(layout, range),
  };
}

/** Any copy has all of it. */
function planCopy(range: ByteRange, [shard]: readonly number[]): ReadPlan | undefined {
  return shard === undefined ? undefined : { reads: [{ shard, range }], missing: [], columns: NO_COLUMNS };
}

function sliceOfCopy({ reads }: ReadPlan, range: ByteRange): DataSlice[] {
  return reads.map(({ shard }) => ({ shard, range, offsetBytes: range.start }));
}

const NO_COLUMNS: ByteRange = { start: 0, end: 0 };
