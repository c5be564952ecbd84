import type { KeyHash, ObjectName, Stamp } from '#contracts';

/**
 * What a data server keeps, and what an API server sees of a data server: the same port. The file
 * store, the memory store and the remote stores pass one contract suite (testing/).
 *
 * Keys are names of any kind; a store never makes a path of one. Operations on one key are
 * linearizable. Nothing is visible before it is durable, and nothing acknowledged is lost by a
 * crash or a power cut. Of two writes the one with the greater stamp stays.
 *
 * Errors are GranaryError with these codes; anything else is a bug:
 * - `precondition-failed`, `digest-mismatch`, `body-incomplete`, `object-too-large`: the caller's doing; nothing is stored.
 * - `storage-full`, `storage-failed`, `overloaded`: the store's disk; nothing is stored.
 * - `object-damaged`: what is stored no longer matches its checksums. Never answered as "not there".
 * - `data-server-unavailable`: a remote store that cannot be reached or breaks off; whether a write happened is unknown.
 * - `peer-cannot`: a remote store of another implementation lacks the ability.
 */
export interface ShardStore {
  /** Stores a small object whole: durable and visible when it resolves. The bytes may be reused then. */
  put(key: ObjectName, bytes: Buffer, options: PutOptions): Promise<ShardInfo>;

  /**
   * Begins a streamed write. Resolves once every check that needs no body has passed (size limit,
   * free space, preconditions), so that the caller may ask its client to go on, or turn elsewhere
   * before the first byte. The preconditions are checked again at commit.
   */
  create(key: ObjectName, options: CreateOptions): Promise<ShardWriter>;

  /** Resolves to undefined when the key is not there. */
  open(key: ObjectName, options?: OpenOptions): Promise<ShardReader | undefined>;

  /** Like open, without the bytes; `size` is always known. */
  stat(key: ObjectName, options?: { signal?: AbortSignal }): Promise<(ShardInfo & { size: number }) | undefined>;

  /** Removes the key durably. */
  remove(key: ObjectName, options: RemoveOptions): Promise<RemoveResult>;
}

/** What is kept of a request beside its bytes. */
export interface ShardAttributes {
  contentType?: string;
  cacheControl?: string;
  contentEncoding?: string;
}

export interface ShardInfo extends ShardAttributes {
  /** Bytes. Undefined only in `open` of an object at a peer that sends it without a length. */
  size: number | undefined;
  /** The entity tag without quotes: the BLAKE3 of the bytes, 64 hex digits. Undefined at a peer. */
  etag: string | undefined;
  /** 0 at a peer. */
  stamp: Stamp;
  /** When the bytes were first stored, ms since 1970. Undefined at a peer. */
  modifiedMs: number | undefined;
  /** CRC-32C of all the bytes. Undefined at a peer. */
  crc32c: number | undefined;
}

/** RFC 9110 §13.1: entity tags without quotes, or `*`. Both may be given; both must hold. */
export interface Precondition {
  ifMatch?: '*' | readonly string[];
  ifNoneMatch?: '*' | readonly string[];
}

/** Digests that the bytes must have; each is the raw digest. */
export interface ExpectedDigests {
  sha256?: Buffer;
  sha512?: Buffer;
  md5?: Buffer;
}

export interface PutOptions {
  attributes?: ShardAttributes;
  expected?: ExpectedDigests;
  precondition?: Precondition;
  /** The stamp to carry; raised to one more than the present copy's (or its tombstone's) when it is not greater. Default: the store's clock. */
  stamp?: Stamp;
  /**
   * A copy that moves between servers: store it under exactly `stamp`, as first stored at `modifiedMs`,
   * and only if that is newer than what is here (a tombstone counts; of two copies with equal stamps
   * the greater entity tag is the newer). Otherwise nothing is stored: `precondition-failed`.
   */
  move?: { modifiedMs: number };
  signal?: AbortSignal;
}

export interface CreateOptions extends PutOptions {
  /** Bytes to come, if known. A commit after fewer or more is `body-incomplete`, and nothing is stored. */
  length?: number;
}

/** Exactly one of commit or abort ends a writer. After any error only abort may follow. */
export interface ShardWriter {
  /**
   * Whether nobody, not even the kernel, reads a chunk any more when its `write` is done (of chunks written with
   * `more`: the next one without), so that its memory may even be freed then. After a failure it may not.
   */
  readonly releasesChunks?: boolean;
  /**
   * Resolves when the writer can take more; undefined: at once. The chunk may be reused then. One call at
   * a time. Never throws: a failure is a rejection. `more` is as that of Sink.
   */
  write(chunk: Buffer, more?: boolean): Promise<void> | undefined;
  /** Digests and preconditions are checked; durable and visible when it resolves. */
  commit(options?: { expected?: ExpectedDigests }): Promise<ShardInfo>;
  /** Leaves nothing behind. Never rejects; may follow anything, even a failed commit. */
  abort(): Promise<void>;
}

/** A store that has the bytes itself. */
export interface LocalShardStore extends ShardStore {
  create(key: ObjectName, options: CreateOptions): Promise<LocalShardWriter>;
}

export interface LocalShardWriter extends ShardWriter {
  /** So that no writer that would not look at the sum passes for one that does. */
  readonly checksTransfers: true;
  /** `crc32c`: of all the bytes, as their sender computed it. If others came nothing is stored: DamagedTransfer, `request-malformed`. */
  commit(options?: { expected?: ExpectedDigests; crc32c?: number }): Promise<ShardInfo>;
}

/** First and last byte, both inclusive and within the object. */
export interface ByteRange {
  first: number;
  last: number;
}

/** One range as a client asks for it, before the size is known (RFC 9110 §14.1.2). */
export type RangeSpec = { first: number; last?: number } | { suffixLength: number };

export interface OpenOptions {
  /**
   * The range that the caller will probably read first. It never changes what the reader can do;
   * a remote store saves a round trip by it. A reader whose prefetch turns out to be unsatisfiable
   * is still a reader.
   */
  prefetch?: RangeSpec;
  signal?: AbortSignal;
}

/**
 * Takes bytes. The chunk is the sink's to read until the promise resolves (or until it returns undefined);
 * after that the buffer is used again. It must not change it: others may be reading the same bytes.
 * `more` says that the next chunk is at hand and follows at once: the sink may wait for it, to send
 * them together, and may read both until it is done with the first that comes without `more`. Whoever
 * fails in between takes the buffers back: the sink must never send what it holds.
 */
export type Sink = (chunk: Buffer, more?: boolean) => Promise<void> | undefined;

/** A consistent view of one stored state: an overwrite or removal meanwhile does not disturb it. Must be closed. */
export interface ShardReader {
  readonly info: ShardInfo;
  /**
   * Feeds the range (default: everything) to the sink in order. Every byte has been verified against
   * its block's checksum. Rejects with `object-damaged` or `data-server-unavailable` in the middle,
   * when only a part was fed: the caller must then break its own connection rather than end it.
   */
  copyTo(sink: Sink, range?: ByteRange, options?: { signal?: AbortSignal }): Promise<void>;
  /** Idempotent; releases descriptors and connections. Never rejects. */
  close(): Promise<void>;
}

export interface RemoveOptions {
  precondition?: Precondition;
  /** As in PutOptions; what is removed is every copy older than this. */
  stamp?: Stamp;
  /** Remember the removal (a tombstone) even if the key is not here, so that an older copy elsewhere cannot come back. */
  remember?: boolean;
  signal?: AbortSignal;
}

export interface RemoveResult {
  existed: boolean;
  /** The tombstone's stamp. */
  stamp: Stamp;
}

/** What a store on a disk of its own can do beyond the port; data servers use it to compare notes (reconcile) and to report. */
export interface ShardCatalog {
  /** Whether the key is here (not removed). In memory; never touches the disk. */
  has(key: ObjectName): boolean;
  /** Everything known, tombstones included, in no order. Tolerates changes while it is read. */
  entries(): Iterable<CatalogEntry>;
  entry(hash: KeyHash): CatalogEntry | undefined;
  /** The name behind a hash, from the disk. Undefined if it is not here any more. */
  nameOf(hash: KeyHash): Promise<ObjectName | undefined>;
  /** Removes what is here with this stamp or an older one, leaving no tombstone: the cluster has it elsewhere. Durable. */
  forget(hash: KeyHash, upTo: Stamp): Promise<void>;
  /**
   * A removal that moves between servers: remembers it under exactly `stamp`, and removes the copy here
   * unless that is newer (a tombstone wins a tie). Changes nothing when what is here is newer. Durable.
   */
  bury(hash: KeyHash, stamp: Stamp): Promise<void>;
  /** Called after each change became visible. Returns how to stop. */
  onChange(listener: (entry: CatalogEntry) => void): () => void;
  usage(): Promise<StoreUsage>;
  /** The greatest stamp in the store, or 0. */
  latestStamp(): Stamp;
}

export interface CatalogEntry {
  hash: KeyHash;
  stamp: Stamp;
  removed: boolean;
}

/** An entry as another server tells it. */
export interface ListedEntry extends CatalogEntry {
  /** Where it was asked for, and the object is still here. */
  name?: ObjectName;
}

/** What a remote store can tell of all that another server has. */
export interface ShardListing {
  /**
   * Everything that the server knows, tombstones included, in no order and in batches, each of which is
   * asked for when the one before has been taken. Changes meanwhile may be told or not.
   */
  list(options?: { names?: boolean; signal?: AbortSignal }): AsyncIterable<readonly ListedEntry[]>;
}

export interface StoreUsage {
  /** Of the file system that holds the store. */
  capacityBytes: number;
  freeBytes: number;
  /** By this store. */
  usedBytes: number;
  objects: number;
  /** Undefined while objects can be stored; else why not. */
  readOnlyReason?: string;
  damagedObjects: number;
}
