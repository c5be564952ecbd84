import type { Blob } from './model/blob.js';
import type { Bucket, CreateBucketRequest, DeleteBucketRequest, UpdateBucketRequest } from './model/bucket.js';
import type { Blake3, BlobId, BucketName, ServerId, UploadId } from './model/ids.js';
import type { ListObjectsRequest, ListVersionsRequest, ObjectPage, VersionPage } from './model/listing.js';
import type {
  AbortUploadRequest,
  CompleteUploadRequest,
  CompleteUploadResult,
  CreateUploadRequest,
  ListPartsRequest,
  ListUploadsRequest,
  PartPage,
  PutPartRequest,
  PutPartResult,
  Upload,
  UploadPage,
} from './model/multipart.js';
import type { Redundancy } from './model/redundancy.js';
import type {
  BlobPage,
  ClaimRepairsRequest,
  FreeBlobsRequest,
  PlaceShardsRequest,
  Repair,
  ServerBlobsRequest,
  Stats,
} from './model/upkeep.js';
import type {
  CommitPutRequest,
  CommitPutResult,
  DeleteObjectRequest,
  DeleteObjectResult,
  DeleteVersionRequest,
  DeleteVersionResult,
  FindRequest,
  SetTagsRequest,
  Version,
} from './model/version.js';

/**
 * The truth about names, versions and what they point to. Two adapters, SQLite and PostgreSQL, pass one
 * contract suite (testing/).
 *
 * Every change is one transaction: it happens whole or not at all, and when its promise resolves it is
 * durable, through a power cut too. Changes and reads of one key are linearizable, over all API servers.
 * Listings are not snapshots: each page sees what is committed when it is read.
 *
 * The order of an object's versions is decided inside the transaction, never by a clock. Times are the
 * database's, so that API servers whose clocks differ agree on them.
 *
 * Every change carries a commit id. A change that is sent again under its id, because its answer was
 * lost, does nothing and gets the first answer; ids are remembered for at least 24 hours
 * (`forgetCommits`). The store itself tries again, within its deadline, what it lost the answer to.
 *
 * Errors are GranaryError with these codes; anything else is a bug. After each nothing has changed,
 * but for `metadata-unavailable`.
 * - `metadata-unavailable`: no answer within the deadline (2 s). A change may have happened; sent again under its
 *   commit id it happens once. Nothing waits longer, and the event loop is never blocked over 100 ms.
 * - `bucket-not-found`, `bucket-exists`, `bucket-not-empty`, `object-not-found`, `version-not-found`,
 *   `upload-not-found`, `precondition-failed`, `part-invalid`, `cursor-invalid`, `content-gone`: as each operation says.
 */
export interface MetadataStore {
  /** `bucket-exists` when the name is taken. */
  createBucket(request: CreateBucketRequest): Promise<Bucket>;
  findBucket(name: BucketName): Promise<Bucket | undefined>;
  /** By name. There are few. */
  listBuckets(): Promise<readonly Bucket[]>;
  updateBucket(request: UpdateBucketRequest): Promise<Bucket>;
  /** `bucket-not-empty` while it holds any version, delete marker or multipart upload. */
  deleteBucket(request: DeleteBucketRequest): Promise<void>;

  /**
   * Makes a version current, and with it its content visible. In one transaction: checks the precondition
   * against the current object, stores the blob or refers to a live one of the same digest, size and
   * redundancy, queues repairs for the shards that the write left missing, and counts.
   * `content-gone`: the existing blob is not there any more; store the bytes anew.
   */
  commitPut(request: CommitPutRequest): Promise<CommitPutResult>;

  /**
   * The hot read: all that a GET needs, in one query. Undefined when there is no such version; a delete
   * marker when that is the current version, or the one that was asked for. `bucket-not-found`.
   */
  find(request: FindRequest): Promise<Version | undefined>;

  /** Leaves a delete marker, or what the bucket's versioning says instead. */
  deleteObject(request: DeleteObjectRequest): Promise<DeleteObjectResult>;

  /** Removes one version for good; the newest of those that stay is current then. `version-not-found`. */
  deleteVersion(request: DeleteVersionRequest): Promise<DeleteVersionResult>;

  /** Replaces the tags of an object version. `object-not-found`, `version-not-found`. */
  setTags(request: SetTagsRequest): Promise<void>;

  /**
   * Current objects. A page costs as much as it holds, however many keys lie before it, behind it, under
   * its common prefixes, and however many were deleted.
   */
  listObjects(request: ListObjectsRequest): Promise<ObjectPage>;
  /** All versions, delete markers included. Costs as much as it holds. */
  listVersions(request: ListVersionsRequest): Promise<VersionPage>;

  /** A live blob with this content, so that a writer can spare itself the shards: commit `{ kind: 'existing' }` then. */
  findBlob(content: { blake3: Blake3; size: number; redundancy: Redundancy }): Promise<Blob | undefined>;
  /** Which of these blobs the database knows, freed ones included. What it does not know, and is older than any upload, is garbage. At most MAX_PAGE. */
  knownBlobs(ids: readonly BlobId[]): Promise<ReadonlySet<BlobId>>;
  /**
   * Takes blobs that nobody refers to out of the world: from then on no version will ever refer to them.
   * The caller deletes their shards, and then forgets them.
   */
  freeBlobs(request: FreeBlobsRequest): Promise<readonly Blob[]>;
  /** Removes freed blobs. Others among the ids are left alone. */
  forgetBlobs(ids: readonly BlobId[]): Promise<void>;
  /** The blob can no longer be read: it stays what versions point to, but nothing new will refer to it. */
  markLost(id: BlobId): Promise<void>;

  /** Live blobs with a shard on the server, oldest first. */
  serverBlobs(request: ServerBlobsRequest): Promise<BlobPage>;
  /** Records where shards lie now, and takes their repairs off the queue; queues one for each that is nowhere. */
  placeShards(request: PlaceShardsRequest): Promise<void>;
  /** The longest queued first. */
  claimRepairs(request: ClaimRepairsRequest): Promise<readonly Repair[]>;

  createUpload(request: CreateUploadRequest): Promise<Upload>;
  findUpload(id: UploadId): Promise<Upload | undefined>;
  listUploads(request: ListUploadsRequest): Promise<UploadPage>;
  putPart(request: PutPartRequest): Promise<PutPartResult>;
  listParts(request: ListPartsRequest): Promise<PartPage>;
  /** Makes the parts one version, as commitPut does. `part-invalid`, `upload-not-found`, `precondition-failed`. */
  completeUpload(request: CompleteUploadRequest): Promise<CompleteUploadResult>;
  abortUpload(request: AbortUploadRequest): Promise<void>;

  stats(): Promise<Stats>;
  /** Forgets what commit ids did, when that was longer ago. Resolves to how many; call again while that is `limit`. */
  forgetCommits(request: { olderThanMs: number; limit: number }): Promise<number>;
  /** The servers that hold or once held shards. */
  knownServers(): Promise<readonly ServerId[]>;

  /** Resolves when the database answers; for readiness. */
  ping(): Promise<void>;
  /** Idempotent. Changes under way end first. */
  close(): Promise<void>;
}
