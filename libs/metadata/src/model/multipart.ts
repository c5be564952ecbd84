import type { ObjectName } from '#contracts';
import type { BucketName, CommitId, UploadId, VersionId } from './ids.js';
import type { Content, ObjectAttributes, Precondition } from './version.js';

export const MAX_PART_NUMBER = 10_000;

export interface CreateUploadRequest extends ObjectAttributes {
  /** Made by the caller; also what makes a second try harmless. */
  uploadId: UploadId;
  bucket: BucketName;
  key: ObjectName;
}

export interface Upload extends Required<ObjectAttributes> {
  uploadId: UploadId;
  bucket: BucketName;
  key: ObjectName;
  createdMs: number;
}

export interface PutPartRequest {
  commitId: CommitId;
  uploadId: UploadId;
  /** 1 to MAX_PART_NUMBER. A part that is put again takes the place of the one before. */
  part: number;
  etag: string;
  checksums?: Readonly<Record<string, string>>;
  content: Content;
}

export interface PutPartResult {
  createdMs: number;
  /** As in CommitPutResult. */
  deduplicated: boolean;
}

export interface UploadPart {
  part: number;
  size: number;
  etag: string;
  checksums: Readonly<Record<string, string>>;
  createdMs: number;
}

export interface ListPartsRequest {
  uploadId: UploadId;
  afterPart?: number;
  /** 1 to MAX_PAGE. */
  limit?: number;
}

export interface PartPage {
  parts: readonly UploadPart[];
  hasMore: boolean;
}

export interface ListUploadsRequest {
  bucket: BucketName;
  prefix?: string;
  /** Uploads of greater keys; with `uploadId`, greater ids of `key` as well. */
  after?: { key: string; uploadId?: UploadId };
  limit?: number;
}

export interface UploadPage {
  uploads: readonly Upload[];
  hasMore: boolean;
}

export interface CompleteUploadRequest {
  commitId: CommitId;
  uploadId: UploadId;
  /** In ascending order; parts that are not named are dropped. */
  parts: readonly { part: number; etag: string }[];
  /** Of the whole object. */
  etag: string;
  checksums?: Readonly<Record<string, string>>;
  precondition?: Precondition;
}

export interface AbortUploadRequest {
  commitId: CommitId;
  uploadId: UploadId;
}

export interface CompleteUploadResult {
  versionId: VersionId;
  createdMs: number;
}
