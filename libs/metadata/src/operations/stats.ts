import { sql } from 'kysely';
import { statement } from '../sql/statement.js';
import type { Connection } from '../sql/transaction.js';

export interface BucketSums {
  name: string;
  objects: number;
  versions: number;
  delete_markers: number;
  logical_bytes: number;
  blobs: number;
  blob_bytes: number;
  stored_bytes: number;
  deduplicated_bytes: number;
  unreferenced_bytes: number;
}

const sum = (column: string) => sql<number>`cast(coalesce(sum(${sql.ref(column)}), 0) as bigint)`;

/** MetadataStore.stats: sums over the few rows of totals, never over objects. */
export async function readStats(connection: Connection): Promise<{ buckets: BucketSums[]; queuedRepairs: number }> {
  const [buckets, repairs] = await Promise.all([connection.all(SUM_TOTALS, {}), connection.first(COUNT_REPAIRS, {})]);
  return { buckets, queuedRepairs: repairs?.count ?? 0 };
}

const SUM_TOTALS = statement<object>()('sum_totals', db => {
  return db
    .selectFrom('buckets')
    .leftJoin('totals', 'totals.bucket_id', 'buckets.id')
    .groupBy('buckets.name')
    .orderBy('buckets.name')
    .select([
      'buckets.name',
      sum('totals.objects').as('objects'),
      sum('totals.versions').as('versions'),
      sum('totals.delete_markers').as('delete_markers'),
      sum('totals.logical_bytes').as('logical_bytes'),
      sum('totals.blobs').as('blobs'),
      sum('totals.blob_bytes').as('blob_bytes'),
      sum('totals.stored_bytes').as('stored_bytes'),
      sum('totals.deduplicated_bytes').as('deduplicated_bytes'),
      sum('totals.unreferenced_bytes').as('unreferenced_bytes'),
    ])
    .compile();
});

const COUNT_REPAIRS = statement<object>()('count_repairs', db =>
  db
    .selectFrom('repairs')
    .select(sql<number>`count(*)`.as('count'))
    .compile(),
);
