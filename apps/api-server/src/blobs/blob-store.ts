import type { Blake3, Blob, BlobId, NewBlob, Redundancy, Sha256 } from '#metadata';
import type { ByteRange, ExpectedDigests, Sink } from '#storage';

/**
 * Bytes with redundancy, and no names: segments, spread as shards over the data servers. Nothing refers
 * to what is written here until a metadata transaction does; whoever writes and then does not commit
 * discards.
 *
 * Errors are GranaryError with these codes; anything else is a bug:
 * - `digest-mismatch`, `body-incomplete`: the caller's doing; nothing is left.
 * - `no-data-server`: fewer servers than the write quorum can take shards; the message names the shortfall. Nothing is left.
 * - `storage-full`: that many servers lack space. Nothing is left.
 * - `data-server-unavailable`: shards that a read needs lie on servers that do not answer now.
 * - `object-damaged`: too many shards are damaged or gone; it has been reported as lost. Also when the blob
 *   was moved or removed after its layout was looked up: before the first byte was fed, look it up again.
 */
export interface BlobStore {
  /** Stores a small content whole, in one segment. Its shards are durable on a write quorum when it resolves. */
  put(content: HashedContent, options: WriteBlobOptions): Promise<NewBlob>;

  /** Begins a streamed write. Resolves once servers for the first segment are found. */
  create(options: CreateBlobOptions): Promise<BlobWriter>;

  /** The bytes of the blobs, one after another. Touches no server before `copyTo`. */
  open(blobs: readonly Blob[]): BlobReader;
  /** Whether the blob's content can be had, now or when servers that are missing come back; by its layout alone. */
  isThere(blob: Blob): boolean;

  /** Removes the shards of a blob that nothing refers to, as far as their servers can be reached. Never rejects. */
  discard(blob: NewBlob): Promise<void>;

  /**
   * Removes the shards of freed blobs. Resolves to the blobs of which none is left: no server of the cluster
   * has one, as each has said itself; servers that were forgotten do not count. The others are to be tried
   * again, since a server with shards is away or failed. Idempotent. Never rejects; an abort leaves what is left.
   */
  remove(blobs: readonly Blob[], options?: { signal?: AbortSignal }): Promise<readonly BlobId[]>;
}

/** Bytes with the digests that were computed from them. The bytes are never changed: a server that was given up may be sent them after `put` has resolved. */
export interface HashedContent {
  bytes: Buffer;
  blake3: Blake3;
  sha256?: Sha256;
}

export interface WriteBlobOptions {
  /** As the bucket asks; small contents and small clusters get the nearest that fits (`redundancyFor`). */
  redundancy: Redundancy;
  signal?: AbortSignal;
}

export interface CreateBlobOptions extends WriteBlobOptions {
  /** Bytes to come, if known. A commit after fewer or more is `body-incomplete`. */
  length?: number;
  expected?: ExpectedDigests;
}

/** Exactly one of commit or abort ends a writer. After any error only abort may follow. */
export interface BlobWriter {
  /** As a ShardWriter that releases its chunks. */
  write(chunk: Buffer): Promise<void> | undefined;
  /** Checks the digests; every segment is durable on its write quorum when it resolves. */
  commit(options?: { expected?: ExpectedDigests }): Promise<NewBlob>;
  /** Leaves no shard that can be reached. Never rejects; may follow anything. */
  abort(): Promise<void>;
}

/** Must be closed. */
export interface BlobReader {
  /** All blobs together, bytes. */
  readonly size: number;
  /**
   * Feeds the range (default: everything) to the sink in order. Servers that are dead, slow or hold a
   * damaged shard are replaced as it goes. Bytes were verified where they were read, and once more here
   * when a blob is read as a whole; a failure in the middle rejects after a part was fed.
   */
  copyTo(sink: Sink, range?: ByteRange, options?: { signal?: AbortSignal }): Promise<void>;
  /** Idempotent. Never rejects. */
  close(): Promise<void>;
}
