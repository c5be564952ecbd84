import { sequenceOf } from '../model/ids.js';
import { statement } from '../sql/statement.js';
import type { Connection } from '../sql/transaction.js';
import { BLOB_COLUMNS, hasBlob, type BlobRow, type MaybeBlobRow } from './blob-row.js';
import { noBucket } from './target.js';

export interface VersionRow {
  seq: number;
  null_version: number;
  delete_marker: number;
  created_ms: number;
  size: number;
  etag: string;
  headers: string | null;
  user_metadata: string | null;
  tags: string | null;
  checksums: string | null;
}

export interface FoundVersion {
  version: VersionRow;
  blobs: readonly BlobRow[];
}

export interface FindValues {
  bucket: string;
  key: string;
  versionId: string | undefined;
}

/** One query for a current object, which is what nearly every GET asks. The rest takes another. */
export async function findVersion(connection: Connection, request: FindValues): Promise<FoundVersion | undefined> {
  if (request.versionId === undefined) {
    const current = await connection.first(FIND_CURRENT, request);
    if (current !== undefined) return withBlobs(connection, request, current);
  }
  const row = await findElsewhere(connection, request);
  if (row === undefined) throw noBucket(request.bucket);
  return row.seq === null ? undefined : withBlobs(connection, request, row as VersionRow & MaybeBlobRow);
}

/** A row of nulls when the bucket has no such version. */
async function findElsewhere(connection: Connection, { bucket, key, versionId }: FindValues) {
  if (versionId === undefined) return connection.first(FIND_NEWEST, { bucket, key });
  const seq = sequenceOf(versionId);
  if (seq === 0) return connection.first(FIND_NULL, { bucket, key });
  return connection.first(FIND_BY_SEQUENCE, { bucket, key, seq: seq ?? -1 });
}

async function withBlobs(
  connection: Connection,
  request: FindValues,
  version: VersionRow & MaybeBlobRow,
): Promise<FoundVersion | undefined> {
  if (hasBlob(version)) return { version, blobs: [version] };
  if (version.delete_marker === 1) return { version, blobs: [] };
  const blobs = await connection.all(FIND_PARTS, { seq: version.seq });
  // Every multipart object has a part: this one was removed between the two queries.
  return blobs.length === 0 ? findVersion(connection, request) : { version, blobs };
}

const VERSION_COLUMNS = [
  'versions.seq',
  'versions.null_version',
  'versions.delete_marker',
  'versions.created_ms',
  'versions.size',
  'versions.etag',
  'versions.headers',
  'versions.user_metadata',
  'versions.tags',
  'versions.checksums',
] as const;

interface Name {
  bucket: string;
  key: string;
}

const FIND_CURRENT = statement<Name>()('find_current', (db, { bucket, key }) =>
  db
    .selectFrom('buckets')
    .innerJoin('objects', 'objects.bucket_id', 'buckets.id')
    .innerJoin('versions', 'versions.seq', 'objects.seq')
    .leftJoin('blobs', 'blobs.number', 'versions.blob_number')
    .where('buckets.name', '=', bucket)
    .where('objects.key', '=', key)
    .select(VERSION_COLUMNS)
    .select(BLOB_COLUMNS)
    .compile(),
);

const FIND_NEWEST = statement<Name>()('find_newest', (db, { bucket, key }) =>
  db
    .selectFrom('buckets')
    .leftJoin('versions', join =>
      join.on('versions.seq', '=', eb =>
        eb
          .selectFrom('versions as newest')
          .whereRef('newest.bucket_id', '=', 'buckets.id')
          .where('newest.key', '=', key)
          .orderBy('newest.seq', 'desc')
          .limit(1)
          .select('newest.seq'),
      ),
    )
    .leftJoin('blobs', 'blobs.number', 'versions.blob_number')
    .where('buckets.name', '=', bucket)
    .select(VERSION_COLUMNS)
    .select(BLOB_COLUMNS)
    .compile(),
);

const FIND_NULL = statement<Name>()('find_null', (db, { bucket, key }) =>
  db
    .selectFrom('buckets')
    .leftJoin('versions', join =>
      join
        .onRef('versions.bucket_id', '=', 'buckets.id')
        .on('versions.key', '=', key)
        .on('versions.null_version', '=', 1),
    )
    .leftJoin('blobs', 'blobs.number', 'versions.blob_number')
    .where('buckets.name', '=', bucket)
    .select(VERSION_COLUMNS)
    .select(BLOB_COLUMNS)
    .compile(),
);

const FIND_BY_SEQUENCE = statement<Name & { seq: number }>()('find_by_sequence', (db, { bucket, key, seq }) =>
  db
    .selectFrom('buckets')
    .leftJoin('versions', join =>
      join
        .onRef('versions.bucket_id', '=', 'buckets.id')
        .on('versions.key', '=', key)
        .on('versions.seq', '=', seq)
        .on('versions.null_version', '=', 0),
    )
    .leftJoin('blobs', 'blobs.number', 'versions.blob_number')
    .where('buckets.name', '=', bucket)
    .select(VERSION_COLUMNS)
    .select(BLOB_COLUMNS)
    .compile(),
);

const FIND_PARTS = statement<{ seq: number }>()('find_parts', (db, { seq }) =>
  db
    .selectFrom('version_parts')
    .innerJoin('blobs', 'blobs.number', 'version_parts.blob_number')
    .where('version_parts.version_seq', '=', seq)
    .orderBy('version_parts.part')
    .select(BLOB_COLUMNS)
    .compile(),
);
