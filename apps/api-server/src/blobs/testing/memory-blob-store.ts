import { GranaryError } from '#contracts';
import {
  layoutOf,
  newBlobId,
  schemeOf,
  toBlake3,
  toServerId,
  toSha256,
  type Blob,
  type BlobId,
  type NewBlob,
  type Redundancy,
  type ServerId,
} from '#metadata';
import { DigestComputation, checkDigests, contentHash, declaredAlgorithms, type ByteRange, type Sink } from '#storage';
import type {
  BlobReader,
  BlobStore,
  BlobWriter,
  CreateBlobOptions,
  HashedContent,
  WriteBlobOptions,
} from '../blob-store.js';

const SEGMENT_BYTES = 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

/** Keeps blobs in memory, says of each where its shards would lie, and can lose things. */
export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<BlobId, Buffer>();
  /** Writes under way. */
  openWriters = 0;
  discarded = 0;
  puts = 0;
  /** Thrown by the next write. */
  failure: GranaryError | undefined;

  constructor(
    readonly servers: readonly ServerId[] = [1, 2, 3, 4, 5, 6].map(number => toServerId(`memory-${number}`)),
  ) {}

  get size(): number {
    return this.#blobs.size;
  }

  has(id: BlobId): boolean {
    return this.#blobs.has(id);
  }

  /** From then on the blob cannot be read. */
  lose(id: BlobId): void {
    this.#blobs.delete(id);
  }

  /** Bytes that another such store had. */
  adopt(id: BlobId, bytes: Buffer): void {
    this.#blobs.set(id, bytes);
  }

  async put({ bytes, blake3, sha256 }: HashedContent, { redundancy, signal }: WriteBlobOptions): Promise<NewBlob> {
    signal?.throwIfAborted();
    this.#failIfTold();
    if (contentHash.of(bytes).toString('hex') !== blake3) throw new Error('the caller hashed other bytes than it gave');
    return this.#keep(bytes, redundancy, sha256);
  }

  async create(options: CreateBlobOptions): Promise<BlobWriter> {
    options.signal?.throwIfAborted();
    this.#failIfTold();
    this.openWriters += 1;
    return this.#writer(options);
  }

  isThere(): boolean {
    return true;
  }

  open(blobs: readonly Blob[]): BlobReader {
    const size = blobs.reduce((sum, blob) => sum + blob.size, 0);
    return {
      size,
      copyTo: async (sink, range = { first: 0, last: size - 1 }, options) => {
        await this.#copy(blobs, sink, range, options?.signal);
      },
      close: async () => undefined,
    };
  }

  async discard(blob: NewBlob): Promise<void> {
    if (this.#blobs.delete(blob.id)) this.discarded += 1;
  }

  async remove(blobs: readonly Blob[]): Promise<readonly BlobId[]> {
    for (const blob of blobs) await this.discard(blob);
    return blobs.map(({ id }) => id);
  }

  #writer({ redundancy, length, expected: declared }: CreateBlobOptions): BlobWriter {
    const chunks: Buffer[] = [];
    let isOpen = true;
    const end = (): void => {
      if (isOpen) this.openWriters -= 1;
      isOpen = false;
    };
    let written: BlobId | undefined;
    return {
      write: async chunk => void chunks.push(Buffer.from(chunk)),
      commit: async options => {
        const bytes = Buffer.concat(chunks);
        if (length !== undefined && bytes.length !== length) {
          throw new GranaryError('body-incomplete', `${bytes.length} bytes came, not ${length}.`);
        }
        const expected = { ...declared, ...options?.expected };
        const computation = new DigestComputation(declaredAlgorithms(expected));
        computation.update(bytes);
        computation.check(expected);
        checkDigests(bytes, declared);
        this.#failIfTold();
        const blob = this.#keep(bytes, redundancy, expected.sha256 && toSha256(expected.sha256.toString('hex')));
        written = blob.id;
        end();
        return blob;
      },
      abort: async () => {
        end();
        if (written !== undefined) this.#blobs.delete(written);
      },
    };
  }

  #keep(bytes: Buffer, redundancy: Redundancy, sha256: NewBlob['sha256']): NewBlob {
    const id = newBlobId();
    this.puts += 1;
    this.#blobs.set(id, Buffer.from(bytes));
    const { shards, needed } = schemeOf(redundancy);
    const segments = Array.from({ length: Math.ceil(bytes.length / SEGMENT_BYTES) }, (_, segment) =>
      Array.from({ length: shards }, (_, shard) => this.servers[(segment + shard) % this.servers.length]),
    );
    return {
      id,
      size: bytes.length,
      blake3: toBlake3(contentHash.of(bytes).toString('hex')),
      ...(sha256 !== undefined && { sha256 }),
      redundancy,
      segmentSizeBytes: SEGMENT_BYTES,
      storedBytes: Math.ceil(bytes.length / needed) * shards,
      layout: layoutOf(segments),
    };
  }

  async #copy(blobs: readonly Blob[], sink: Sink, { first, last }: ByteRange, signal?: AbortSignal): Promise<void> {
    const whole = Buffer.concat(blobs.map(blob => this.#bytesOf(blob)));
    for (let at = first; at <= last; at += CHUNK_BYTES) {
      signal?.throwIfAborted();
      await sink(Buffer.from(whole.subarray(at, Math.min(at + CHUNK_BYTES, last + 1))));
    }
  }

  #bytesOf({ id }: Blob): Buffer {
    const bytes = this.#blobs.get(id);
    if (bytes === undefined) throw new GranaryError('object-damaged', `The blob ${id} is lost.`);
    return bytes;
  }

  #failIfTold(): void {
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }
}
