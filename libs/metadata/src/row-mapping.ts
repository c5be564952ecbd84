import { toObjectName, type ObjectName } from '#contracts';
import { missingShards, type Blob, type NewBlob } from './model/blob.js';
import type { Bucket } from './model/bucket.js';
import {
  versionIdOf,
  type Blake3,
  type BlobId,
  type BucketName,
  type ServerId,
  type Sha256,
  type UploadId,
} from './model/ids.js';
import type { Upload } from './model/multipart.js';
import type { Redundancy } from './model/redundancy.js';
import type { ObjectAttributes, Version } from './model/version.js';
import type { BlobRow } from './operations/blob-row.js';
import type { BucketRow } from './operations/buckets.js';
import type { FoundVersion } from './operations/find-version.js';
import type { BlobValues } from './operations/reference-blob.js';
import type { UploadRow } from './operations/uploads.js';
import { decodeLayout, encodeLayout } from './schema/blob-layout.js';

/** Rows of the database as the port's types, and the other way round. */

export function blobValues(blob: NewBlob, numbers: ReadonlyMap<ServerId, number>): BlobValues {
  return {
    id: blob.id,
    size: blob.size,
    blake3: bytesOf(blob.blake3),
    sha256: blob.sha256 === undefined ? null : bytesOf(blob.sha256),
    redundancy: blob.redundancy,
    segment_bytes: blob.segmentSizeBytes,
    stored_bytes: blob.storedBytes,
    layout: encodeLayout(blob.layout, numbers),
    missing: missingShards(blob.layout),
  };
}

export function blobOf(row: BlobRow, serverOf: (number: number) => ServerId): Blob {
  return {
    id: row.blob_id as BlobId,
    size: row.blob_size,
    blake3: hexOf(row.blake3) as Blake3,
    ...(row.sha256 === null ? {} : { sha256: hexOf(row.sha256) as Sha256 }),
    redundancy: row.redundancy as Redundancy,
    segmentSizeBytes: row.segment_bytes,
    storedBytes: row.stored_bytes,
    layout: decodeLayout(row.layout, serverOf),
    createdMs: row.blob_created_ms,
  };
}

export function versionOf(
  bucket: BucketName,
  key: ObjectName,
  { version, blobs }: FoundVersion,
  serverOf: (number: number) => ServerId,
): Version {
  const identity = { bucket, key, versionId: versionIdOf(version), createdMs: version.created_ms };
  if (version.delete_marker === 1) return { kind: 'delete-marker', ...identity };
  return {
    kind: 'object',
    ...identity,
    size: version.size,
    etag: version.etag,
    ...attributesOf(version),
    blobs: blobs.map(blob => blobOf(blob, serverOf)),
  };
}

export function bucketOf(row: BucketRow): Bucket {
  return {
    name: row.name as BucketName,
    versioning: row.versioning,
    redundancy: row.redundancy as Redundancy,
    settings: recordOf(row.settings),
    createdMs: row.created_ms,
  };
}

export function uploadOf(row: UploadRow): Upload {
  return {
    uploadId: row.id as UploadId,
    bucket: row.bucket as BucketName,
    key: toObjectName(row.key),
    createdMs: row.created_ms,
    ...attributesOf(row),
  };
}

export interface AttributeColumns {
  headers: string | null;
  user_metadata: string | null;
  tags: string | null;
  checksums: string | null;
}

export function attributeColumns({ headers, userMetadata, tags, checksums }: ObjectAttributes): AttributeColumns {
  return {
    headers: jsonOf(headers),
    user_metadata: jsonOf(userMetadata),
    tags: jsonOf(tags),
    checksums: jsonOf(checksums),
  };
}

function attributesOf(row: AttributeColumns): Required<ObjectAttributes> {
  return {
    headers: recordOf(row.headers),
    userMetadata: recordOf(row.user_metadata),
    tags: recordOf(row.tags),
    checksums: recordOf(row.checksums),
  };
}

/** Null when there is nothing in it. */
export function jsonOf(record: Readonly<Record<string, string>> | undefined): string | null {
  if (record === undefined) return null;
  const json = JSON.stringify(record);
  return json === '{}' ? null : json;
}

export function recordOf(json: string | null): Record<string, string> {
  return json === null ? {} : (JSON.parse(json) as Record<string, string>);
}

/** In memory of its own, since a thread that gets a part of a buffer gets a copy of the whole. */
export function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
