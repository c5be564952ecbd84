export const COUNTED = [
  'objects',
  'versions',
  'delete_markers',
  'logical_bytes',
  'blobs',
  'blob_bytes',
  'stored_bytes',
  'deduplicated_bytes',
  'unreferenced_bytes',
] as const;

/** What a change adds to the totals of a bucket. */
export type Counts = { [Counted in (typeof COUNTED)[number]]?: number };

/** A change adds to its own bucket, and to those that first brought the blobs it refers to. */
export type BucketCounts = readonly [bucket: number, counts: Counts];

export type BucketSums = readonly [bucket: number, sums: Required<Counts>];

/** In the order of the buckets, without those to which nothing is added. */
export function sumsByBucket(added: readonly BucketCounts[]): BucketSums[] {
  const byBucket = new Map<number, Required<Counts>>();
  for (const [bucket, counts] of added) {
    const sums = byBucket.get(bucket) ?? eachSum(() => 0);
    for (const counted of COUNTED) sums[counted] += counts[counted] ?? 0;
    byBucket.set(bucket, sums);
  }
  return [...byBucket]
    .filter(([, sums]) => COUNTED.some(counted => sums[counted] !== 0))
    .sort(([first], [second]) => first - second);
}

export function eachSum(sum: (counted: keyof Counts) => number): Required<Counts> {
  return Object.fromEntries(COUNTED.map(counted => [counted, sum(counted)])) as Required<Counts>;
}
