import type { Blob, ShardPosition } from './blob.js';
import type { BucketName, CommitId, ServerId } from './ids.js';
import type { Cursor } from './listing.js';

export interface FreeBlobsRequest {
  /** Only blobs to which nothing has referred for at least this long, by the database's clock. */
  graceMs: number;
  /** Blobs that were freed this long ago and not forgotten since (their sweeper died) are handed out again. */
  leaseMs: number;
  limit: number;
}

export interface ServerBlobsRequest {
  server: ServerId;
  /** Of the page before. */
  cursor?: Cursor;
  /** 1 to MAX_PAGE. */
  limit?: number;
}

export interface BlobPage {
  blobs: readonly Blob[];
  /** Undefined on the last page. */
  cursor?: Cursor;
}

/** A shard that is to be made anew. */
export interface Repair extends ShardPosition {
  blob: Blob;
  /** How often it was claimed, this time included. */
  attempts: number;
  /** ms since 1970, the database's clock. */
  queuedMs: number;
}

export interface ClaimRepairsRequest {
  /** A claimed repair that is not finished within this time is handed out again. */
  leaseMs: number;
  limit: number;
}

/** Where a repair has put the shards. */
export interface MovedShard extends ShardPosition {
  /** Undefined: it is nowhere any more (a server was lost); a repair is queued. */
  server: ServerId | undefined;
  /** Only if it is recorded there still: for one who knows that it is not, and cannot know what happened since. */
  from?: ServerId;
}

export interface PlaceShardsRequest {
  commitId: CommitId;
  shards: readonly MovedShard[];
}

/** Sums over a bucket. Redundancy costs `storedBytes - blobBytes`. */
export interface BucketStats {
  bucket: BucketName;
  /** Names with a current object. */
  objects: number;
  /** Versions that are objects, current or not. */
  versions: number;
  deleteMarkers: number;
  /** Of all versions, as a client counts. */
  logicalBytes: number;
  /**
   * A blob counts in the bucket that first brought it, from its first commit until it is freed, whoever
   * refers to it: summed over all buckets the figures are those of the cluster.
   */
  blobs: number;
  blobBytes: number;
  storedBytes: number;
  /**
   * What de-duplication saved: the size of each blob that counts here, once for each reference but the
   * first, whichever bucket that is in. A part of a multipart upload refers to its blob as a version does.
   */
  deduplicatedBytes: number;
  /** Of `blobBytes`, what nothing refers to any more: it awaits `freeBlobs`. */
  unreferencedBytes: number;
}

export interface Stats {
  buckets: readonly BucketStats[];
  queuedRepairs: number;
}
