import type { Generated } from 'kysely';

/** The schema, as docs/metadata.md describes it. Booleans are 0 and 1; times are ms since 1970. */
export interface Tables {
  schema_version: SchemaVersionTable;
  buckets: BucketsTable;
  servers: ServersTable;
  blobs: BlobsTable;
  blob_servers: BlobServersTable;
  versions: VersionsTable;
  version_parts: VersionPartsTable;
  objects: ObjectsTable;
  totals: TotalsTable;
  repairs: RepairsTable;
  commits: CommitsTable;
  uploads: UploadsTable;
  upload_parts: UploadPartsTable;
}

interface SchemaVersionTable {
  /** Always 1. */
  id: number;
  version: number;
}

interface BucketsTable {
  id: Generated<number>;
  name: string;
  versioning: 'enabled' | 'suspended' | 'never';
  redundancy: string;
  /** JSON object, or null when empty. */
  settings: string | null;
  created_ms: number;
}

/** Short numbers for the ids of data servers. Rows are never changed or removed. */
interface ServersTable {
  number: Generated<number>;
  id: string;
}

interface BlobsTable {
  number: Generated<number>;
  id: string;
  size: number;
  blake3: Uint8Array;
  sha256: Uint8Array | null;
  redundancy: string;
  segment_bytes: number;
  stored_bytes: number;
  /** blob-layout.ts */
  layout: Uint8Array;
  /** Versions, parts of versions and parts of uploads that point here. */
  refs: number;
  /** The bucket that brought it, in whose totals it counts. */
  bucket_id: number;
  created_ms: number;
  /** Since when refs is 0. */
  unreferenced_ms: number | null;
  /** Since when it is out of the world. */
  freed_ms: number | null;
  lost_ms: number | null;
}

interface BlobServersTable {
  server_number: number;
  blob_number: number;
}

interface VersionsTable {
  /** Decides the order of an object's versions. */
  seq: Generated<number>;
  bucket_id: number;
  key: string;
  null_version: number;
  delete_marker: number;
  /** Null for delete markers and for multipart objects. */
  blob_number: number | null;
  size: number;
  etag: string;
  created_ms: number;
  /** JSON objects, or null when empty. */
  headers: string | null;
  user_metadata: string | null;
  tags: string | null;
  checksums: string | null;
}

interface VersionPartsTable {
  version_seq: number;
  part: number;
  blob_number: number;
}

/** One row for each name with a current object, with what a listing shows. */
interface ObjectsTable {
  bucket_id: number;
  key: string;
  seq: number;
  null_version: number;
  size: number;
  etag: string;
  created_ms: number;
}

/** What /stats sums up; in several slots, so that concurrent commits do not wait for one row. */
interface TotalsTable {
  bucket_id: number;
  slot: number;
  objects: number;
  versions: number;
  delete_markers: number;
  logical_bytes: number;
  blobs: number;
  blob_bytes: number;
  stored_bytes: number;
  /** Of each blob its size, times its references but the first. */
  deduplicated_bytes: number;
  /** Of the blobs to which nothing refers. */
  unreferenced_bytes: number;
}

interface RepairsTable {
  blob_number: number;
  /** segment * shards per segment + shard */
  position: number;
  attempts: number;
  queued_ms: number;
  /** Not before. */
  due_ms: number;
}

interface CommitsTable {
  id: string;
  /** JSON. */
  result: string;
  created_ms: number;
}

interface UploadsTable {
  id: string;
  bucket_id: number;
  key: string;
  created_ms: number;
  headers: string | null;
  user_metadata: string | null;
  tags: string | null;
  checksums: string | null;
}

interface UploadPartsTable {
  upload_id: string;
  part: number;
  blob_number: number;
  size: number;
  etag: string;
  checksums: string | null;
  created_ms: number;
}
