import type { ObjectName } from '#contracts';
import type { Blob, NewBlob } from './blob.js';
import type { BlobId, BucketName, CommitId, VersionId } from './ids.js';

/** RFC 9110 §13.1: entity tags without quotes, or `*`. Both may be given; both must hold. */
export interface Precondition {
  ifMatch?: '*' | readonly string[];
  ifNoneMatch?: '*' | readonly string[];
}

/** What a client says of its object, and gets back with it. */
export interface ObjectAttributes {
  /** Lower-case HTTP field names: `content-type`, `cache-control`, `content-encoding`, … */
  headers?: Readonly<Record<string, string>>;
  userMetadata?: Readonly<Record<string, string>>;
  tags?: Readonly<Record<string, string>>;
  /** Digests beside the blob's own, by algorithm, as the client's protocol spells them. */
  checksums?: Readonly<Record<string, string>>;
}

/** A version that is an object: its bytes are those of its blobs, one after another. */
export interface ObjectVersion extends Required<ObjectAttributes> {
  kind: 'object';
  bucket: BucketName;
  key: ObjectName;
  versionId: VersionId;
  /** The database's clock, for people and Last-Modified; it decides nothing. */
  createdMs: number;
  size: number;
  /** Without quotes. */
  etag: string;
  /** One, or the parts of a multipart upload in order. */
  blobs: readonly Blob[];
}

/** A version that says: deleted. */
export interface DeleteMarker {
  kind: 'delete-marker';
  bucket: BucketName;
  key: ObjectName;
  versionId: VersionId;
  createdMs: number;
}

export type Version = ObjectVersion | DeleteMarker;

/** Bytes that were just stored, or a blob that is stored already (a copy, or content that was recognised). */
export type Content = { kind: 'stored'; blob: NewBlob } | { kind: 'existing'; blobId: BlobId };

export interface CommitPutRequest extends ObjectAttributes {
  commitId: CommitId;
  bucket: BucketName;
  key: ObjectName;
  etag: string;
  content: Content;
  precondition?: Precondition;
}

export interface CommitPutResult {
  versionId: VersionId;
  createdMs: number;
  /** The blob that the version points to. */
  blobId: BlobId;
  /** The content was here already under another blob id: the shards of the blob that was brought are to be dropped. */
  deduplicated: boolean;
}

export interface FindRequest {
  bucket: BucketName;
  key: ObjectName;
  /** Default: the current version. */
  versionId?: VersionId;
}

export interface DeleteObjectRequest {
  commitId: CommitId;
  bucket: BucketName;
  key: ObjectName;
  precondition?: Precondition;
  /** Refuse with `object-not-found`, and change nothing, when there is no current object. Default: false, as S3. */
  mustExist?: boolean;
}

export interface DeleteObjectResult {
  /** Whether there was a current object. */
  existed: boolean;
  /** The delete marker that was made; undefined where the bucket never kept versions. */
  deleteMarker?: VersionId;
}

export interface DeleteVersionRequest {
  commitId: CommitId;
  bucket: BucketName;
  key: ObjectName;
  versionId: VersionId;
}

export interface DeleteVersionResult {
  /** What the version was. */
  kind: Version['kind'];
}

export interface SetTagsRequest {
  commitId: CommitId;
  bucket: BucketName;
  key: ObjectName;
  versionId?: VersionId;
  tags: Readonly<Record<string, string>>;
}
