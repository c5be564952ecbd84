import { sql, type RawBuilder } from 'kysely';
import { statement } from '../sql/statement.js';
import type { Connection } from '../sql/transaction.js';
import { groupingOf, groupOfKey, type Grouping } from './group-keys.js';
import { prefixEnd } from './key-order.js';
import { bucketId } from './target.js';

/** Where a listing goes on, and how much of it. */
export interface ListValues {
  bucket: string;
  prefix: string;
  /** Empty: none. */
  delimiter: string;
  /** The least key that may be listed. */
  from: string;
  limit: number;
}

export interface ListedRow {
  key: string;
  /** Null for a common prefix, which `key` is then. */
  seq: number | null;
  null_version: number | null;
  size: number | null;
  etag: string | null;
  created_ms: number | null;
}

/** At most `limit` rows from `from` on. Fewer only at the end. Throws `bucket-not-found`. */
export async function listObjects(connection: Connection, request: ListValues): Promise<ListedRow[]> {
  const rows = await (request.delimiter === '' ? scan(connection, request) : walk(connection, request));
  if (rows.length === 0) await bucketId(connection, request.bucket);
  return rows;
}

/** Reads the keys one after another. */
function scan(connection: Connection, { bucket, prefix, from, limit }: ListValues): Promise<ListedRow[]> {
  const end = prefixEnd(prefix);
  return end === undefined
    ? connection.all(SCAN, { bucket, from, limit })
    : connection.all(SCAN_TO, { bucket, from, end, limit });
}

/** Reads one key, and seeks from behind it, or from behind the whole common prefix to which it belongs. */
async function walk(connection: Connection, request: ListValues): Promise<ListedRow[]> {
  const { bucket, prefix, delimiter, from, limit } = request;
  const id = await bucketId(connection, bucket);
  return connection.all(WALK, {
    bucket: id,
    ...groupingOf(prefix, delimiter),
    from,
    end: prefixEnd(prefix) ?? null,
    limit,
  });
}

const SCAN = statement<{ bucket: string; from: string; limit: number }>()('list_scan', (db, { bucket, from, limit }) =>
  db
    .selectFrom('objects')
    .select(['key', 'seq', 'null_version', 'size', 'etag', 'created_ms'])
    .where('bucket_id', '=', eb => eb.selectFrom('buckets').select('id').where('name', '=', bucket))
    .where('key', '>=', from)
    .orderBy('key')
    .limit(limit)
    .compile(),
);

const SCAN_TO = statement<{ bucket: string; from: string; end: string; limit: number }>()(
  'list_scan_to',
  (db, { bucket, from, end, limit }) =>
    db
      .selectFrom('objects')
      .select(['key', 'seq', 'null_version', 'size', 'etag', 'created_ms'])
      .where('bucket_id', '=', eb => eb.selectFrom('buckets').select('id').where('name', '=', bucket))
      .where('key', '>=', from)
      .where('key', '<', end)
      .orderBy('key')
      .limit(limit)
      .compile(),
);

interface WalkArgs extends Grouping {
  bucket: number;
  from: string;
  end: string | null;
  limit: number;
}

/**
 * A loose index scan: each step of the recursion is one seek in the index of `objects`, whatever lies
 * between. `found` is the key the seek found.
 */
const WALK = statement<WalkArgs>()('list_walk', (db, args, dialect) => {
  const { bucket, from, end, limit } = args;
  const seek = (least: RawBuilder<string>) =>
    sql`(select o.key from objects o where o.bucket_id = ${bucket} and o.key >= ${least} order by o.key limit 1)`;
  const { isPlain, name, behind } = groupOfKey(sql<string>`w.found`, args, dialect);
  const isWithin = sql<boolean>`w.found is not null and (cast(${end} as text) is null or w.found < ${end})`;
  return sql<ListedRow>`
    with recursive w(found, n) as (
      select ${seek(sql`cast(${from} as text)`)}, 1
      union all
      select ${seek(behind)}, w.n + 1 from w where w.n < cast(${limit} as integer) and ${isWithin}
    )
    select
      case when ${isPlain} then w.found else ${name} end as key,
      o.seq, o.null_version, o.size, o.etag, o.created_ms
    from w left join objects o on ${isPlain} and o.bucket_id = ${bucket} and o.key = w.found
    where ${isWithin}
    order by w.n`.compile(db);
});
