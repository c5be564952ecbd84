import { sql, type RawBuilder } from 'kysely';
import { statement } from '../sql/statement.js';
import type { Connection } from '../sql/transaction.js';
import { groupingOf, groupOfKey, type Grouping } from './group-keys.js';
import { prefixEnd, successor } from './key-order.js';
import { bucketId } from './target.js';

export interface ListVersionsValues {
  bucket: string;
  /** Only this key. */
  key: string | undefined;
  prefix: string;
  /** Empty: none. */
  delimiter: string;
  /** The least key, and of that very key only versions older than `before`. */
  from: string;
  before: number;
  limit: number;
}

export interface ListedVersionRow {
  key: string;
  seq: number;
  null_version: number;
  delete_marker: number;
  is_current: number;
  created_ms: number;
  size: number;
  etag: string;
  checksums: string | null;
}

export type ListedVersionEntry = ListedVersionRow | { prefix: string };

/** At most `limit` entries. Fewer only at the end. Throws `bucket-not-found`. */
export async function listVersions(connection: Connection, request: ListVersionsValues): Promise<ListedVersionEntry[]> {
  const bucket = await bucketId(connection, request.bucket);
  const { key, before, limit } = request;
  if (key !== undefined) return connection.all(VERSIONS_OF_KEY, { bucket, key, before, limit });
  return request.delimiter === '' ? scan(connection, bucket, request) : walk(connection, bucket, request);
}

/** No version is newer. */
export const NEWEST = Number.MAX_SAFE_INTEGER;

/** Reads the versions one after another. */
async function scan(
  connection: Connection,
  bucket: number,
  { prefix, from, before, limit }: ListVersionsValues,
): Promise<ListedVersionRow[]> {
  if (before === NEWEST) return scanKeys(connection, { bucket, prefix, from, limit });
  const older = await connection.all(VERSIONS_OF_KEY, { bucket, key: from, before, limit });
  if (older.length === limit) return older;
  const rest = { bucket, prefix, from: successor(from), limit: limit - older.length };
  return [...older, ...(await scanKeys(connection, rest))];
}

function scanKeys(
  connection: Connection,
  { prefix, ...range }: { bucket: number; prefix: string; from: string; limit: number },
): Promise<ListedVersionRow[]> {
  const end = prefixEnd(prefix);
  return end === undefined ? connection.all(VERSIONS_FROM, range) : connection.all(VERSIONS_FROM_TO, { ...range, end });
}

/** Reads one version, and seeks from behind it, or from behind the whole common prefix to which it belongs. */
async function walk(
  connection: Connection,
  bucket: number,
  { prefix, delimiter, from, before, limit }: ListVersionsValues,
): Promise<ListedVersionEntry[]> {
  const rows = await connection.all(VERSIONS_WALK, {
    bucket,
    ...groupingOf(prefix, delimiter),
    from,
    before,
    behind_from: successor(from),
    end: prefixEnd(prefix) ?? null,
    limit,
  });
  return rows.map(({ common_prefix, ...row }) => (common_prefix === null ? row : { prefix: common_prefix }));
}

const LISTED = [
  'versions.key',
  'versions.seq',
  'versions.null_version',
  'versions.delete_marker',
  'versions.created_ms',
  'versions.size',
  'versions.etag',
  'versions.checksums',
] as const;

/** Of an object's versions the newest is current; a delete marker too. */
const isCurrent = sql<number>`case when not exists (
  select 1 from versions newer
  where newer.bucket_id = versions.bucket_id and newer.key = versions.key and newer.seq > versions.seq
) then 1 else 0 end`.as('is_current');

const VERSIONS_OF_KEY = statement<{ bucket: number; key: string; before: number; limit: number }>()(
  'versions_of_key',
  (db, { bucket, key, before, limit }) =>
    db
      .selectFrom('versions')
      .select(LISTED)
      .select(isCurrent)
      .where('versions.bucket_id', '=', bucket)
      .where('versions.key', '=', key)
      .where('versions.seq', '<', before)
      .orderBy('versions.seq', 'desc')
      .limit(limit)
      .compile(),
);

interface FromArgs {
  bucket: number;
  from: string;
  limit: number;
}

const VERSIONS_FROM = statement<FromArgs>()('versions_from', (db, { bucket, from, limit }) =>
  db
    .selectFrom('versions')
    .select(LISTED)
    .select(isCurrent)
    .where('versions.bucket_id', '=', bucket)
    .where('versions.key', '>=', from)
    .orderBy('versions.key')
    .orderBy('versions.seq', 'desc')
    .limit(limit)
    .compile(),
);

const VERSIONS_FROM_TO = statement<FromArgs & { end: string }>()(
  'versions_from_to',
  (db, { bucket, from, end, limit }) =>
    db
      .selectFrom('versions')
      .select(LISTED)
      .select(isCurrent)
      .where('versions.bucket_id', '=', bucket)
      .where('versions.key', '>=', from)
      .where('versions.key', '<', end)
      .orderBy('versions.key')
      .orderBy('versions.seq', 'desc')
      .limit(limit)
      .compile(),
);

interface WalkArgs extends Grouping {
  bucket: number;
  from: string;
  before: number;
  behind_from: string;
  end: string | null;
  limit: number;
}

/**
 * A loose index scan, as that of list-objects.ts: each step of the recursion is at most two seeks, for the
 * next older version of the same key and for the newest of the key behind it. `seq` is the version found.
 */
const VERSIONS_WALK = statement<WalkArgs>()('versions_walk', (db, args, dialect) => {
  const { bucket, from, before, behind_from, end, limit } = args;
  const older = (key: RawBuilder<string>, seq: RawBuilder<number>) =>
    sql`(select v.seq from versions v where v.bucket_id = ${bucket} and v.key = ${key} and v.seq < ${seq}
      order by v.seq desc limit 1)`;
  const seek = (least: RawBuilder<string>) =>
    sql`(select v.seq from versions v where v.bucket_id = ${bucket} and v.key >= ${least}
      order by v.key, v.seq desc limit 1)`;
  const group = groupOfKey(sql<string>`versions.key`, args, dialect);
  const isWithin = sql<boolean>`(cast(${end} as text) is null or versions.key < ${end})`;
  const columns = sql.join(LISTED.map(column => sql.ref(column)));
  return sql<ListedVersionRow & { common_prefix: string | null }>`
    with recursive w(seq, n) as (
      select coalesce(${older(sql`cast(${from} as text)`, sql`cast(${before} as bigint)`)},
        ${seek(sql`cast(${behind_from} as text)`)}), 1
      union all
      select coalesce(
          case when ${group.isPlain} then ${older(sql`versions.key`, sql`versions.seq`)} end,
          ${seek(group.behind)}
        ), w.n + 1
      from w join versions on versions.seq = w.seq
      where w.n < cast(${limit} as integer) and ${isWithin}
    )
    select ${columns}, ${isCurrent}, case when ${group.isPlain} then null else ${group.name} end as common_prefix
    from w join versions on versions.seq = w.seq
    where ${isWithin}
    order by w.n`.compile(db);
});
