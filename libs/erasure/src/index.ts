export type { ColumnShape } from './column-shape.js';
export { fastestKernel } from './kernel/fastest-kernel.js';
export type { Kernel } from './kernel/kernel.js';
export { TableKernel } from './kernel/table-kernel.js';
export { MAX_DATA_SHARDS, MAX_PARITY_SHARDS, ReedSolomon, type WantedShard } from './reed-solomon.js';
export type { ByteRange } from './striping/byte-range.js';
export { planRead, shardRangeOf, slicesOf, type DataSlice, type ReadPlan } from './striping/read-plan.js';
export {
  columnsIn,
  layOutSegment,
  shapeOf,
  shardBytes,
  stripesOf,
  type SegmentLayout,
  type Stripe,
} from './striping/segment-layout.js';
export { countSegments, segmentsOf, type SegmentPart } from './striping/segments.js';
