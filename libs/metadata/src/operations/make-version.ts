import { versionIdOf } from '../model/ids.js';
import { insertion } from '../sql/insertion.js';
import { statement } from '../sql/statement.js';
import type { Transaction } from '../sql/transaction.js';
import type { BucketCounts } from './counts.js';
import { removeNullVersion } from './remove-version.js';
import type { Target } from './target.js';

export interface VersionValues {
  delete_marker: number;
  blob_number: number | null;
  size: number;
  etag: string;
  headers: string | null;
  user_metadata: string | null;
  tags: string | null;
  checksums: string | null;
}

export interface MadeVersion {
  seq: number;
  versionId: string;
  createdMs: number;
  /** What it adds to the totals, less what a null version in its place was. */
  counts: readonly BucketCounts[];
}

/** Makes a version and moves the current pointer to it. Where versions are not kept, it takes the null version's place. */
export async function makeVersion(tx: Transaction, target: Target, values: VersionValues): Promise<MadeVersion> {
  const kept = target.versioning === 'enabled';
  const removed = kept ? [] : await removeNullVersion(tx, target.id, target.key);
  const { id: bucket_id, key } = target;
  const null_version = kept ? 0 : 1;
  const { delete_marker, blob_number, size, etag, headers, user_metadata, tags, checksums } = values;
  const inserted = await tx.insert(INSERT_VERSION, {
    bucket_id,
    key,
    null_version,
    delete_marker,
    blob_number,
    size,
    etag,
    headers,
    user_metadata,
    tags,
    checksums,
  });
  if (inserted === undefined) throw new Error('inserting a version returned no row');
  const { number: seq, created_ms } = inserted;
  const isObject = delete_marker === 0;
  if (isObject) {
    const pointer = { bucket_id, key, seq, null_version, size, etag, created_ms };
    await tx.all(target.current === undefined ? POINT_FIRST : POINT_TO_VERSION, pointer);
  } else if (target.current !== undefined) await tx.all(POINT_NOWHERE, { bucket: bucket_id, key });
  const made = {
    objects: (isObject ? 1 : 0) - (target.current === undefined ? 0 : 1),
    versions: isObject ? 1 : 0,
    delete_markers: isObject ? 0 : 1,
    logical_bytes: size,
  };
  const versionId = versionIdOf({ seq, null_version });
  return { seq, versionId, createdMs: created_ms, counts: [[bucket_id, made], ...removed] };
}

/** For the name that has no current object any more. */
export const POINT_NOWHERE = statement<{ bucket: number; key: string }>()('point_nowhere', (db, { bucket, key }) =>
  db.deleteFrom('objects').where('bucket_id', '=', bucket).where('key', '=', key).compile(),
);

interface Pointer {
  bucket_id: number;
  key: string;
  seq: number;
  null_version: number;
  size: number;
  etag: string;
  created_ms: number;
}

/** For the name that has no current object: its key is locked, so nobody else gives it one. */
const POINT_FIRST = statement<Pointer>()('point_first', (db, pointer) => {
  const { bucket_id, key, seq, null_version, size, etag, created_ms } = pointer;
  return db.insertInto('objects').values({ bucket_id, key, seq, null_version, size, etag, created_ms }).compile();
});

export const POINT_TO_VERSION = statement<Pointer>()('point_to_version', (db, pointer) => {
  const { bucket_id, key, seq, null_version, size, etag, created_ms } = pointer;
  return db
    .insertInto('objects')
    .values({ bucket_id, key, seq, null_version, size, etag, created_ms })
    .onConflict(conflict =>
      conflict.columns(['bucket_id', 'key']).doUpdateSet(({ ref }) => ({
        seq: ref('excluded.seq'),
        null_version: ref('excluded.null_version'),
        size: ref('excluded.size'),
        etag: ref('excluded.etag'),
        created_ms: ref('excluded.created_ms'),
      })),
    )
    .compile();
});

const INSERT_VERSION = statement<VersionValues & { bucket_id: number; key: string; null_version: number }>()(
  'insert_version',
  (db, version, dialect) => {
    const query = db.insertInto('versions').values({
      bucket_id: version.bucket_id,
      key: version.key,
      null_version: version.null_version,
      delete_marker: version.delete_marker,
      blob_number: version.blob_number,
      size: version.size,
      etag: version.etag,
      created_ms: dialect.nowMs,
      headers: version.headers,
      user_metadata: version.user_metadata,
      tags: version.tags,
      checksums: version.checksums,
    });
    return insertion(query, 'seq', dialect);
  },
);
