import { crc32c } from '@node-rs/crc32';
import { GranaryError, hashName, type KeyHash, type ObjectName, type Stamp } from '#contracts';
import {
  checkPrecondition,
  stampForPut,
  stampForRemoval,
  tombstoneBeats,
  wallClockStamps,
  type PresentCopy,
  type StampSource,
} from '../commit-rules.js';
import { contentHash } from '../content-hash.js';
import { checkTransfer } from '../damaged-transfer.js';
import { checkDigests } from '../declared-digests.js';
import type {
  CatalogEntry,
  CreateOptions,
  ExpectedDigests,
  LocalShardStore,
  LocalShardWriter,
  OpenOptions,
  PutOptions,
  RemoveOptions,
  RemoveResult,
  ShardCatalog,
  ShardInfo,
  ShardReader,
  StoreUsage,
} from '../shard-store.js';

export interface MemoryShardStoreOptions {
  /** Bytes of objects that fit. */
  capacityBytes?: number;
  maxObjectSizeBytes?: number;
  stamps?: StampSource;
}

const CHUNK_BYTES = 256 * 1024;

interface Held extends PresentCopy {
  /** Undefined in a tombstone. */
  name?: ObjectName;
  /** Undefined in a tombstone. */
  object?: { info: ShardInfo & { size: number }; bytes: Buffer };
}

/** Keeps objects in memory: a full member of the family that forgets everything when the process ends. */
export class MemoryShardStore implements LocalShardStore, ShardCatalog {
  private readonly held = new Map<KeyHash, Held>();
  private readonly listeners = new Set<(entry: CatalogEntry) => void>();
  private readonly capacityBytes: number;
  private readonly maxObjectSizeBytes: number;
  private readonly stamps: StampSource;
  private usedBytes = 0;
  private latest: Stamp = 0;

  constructor(options: MemoryShardStoreOptions = {}) {
    this.capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER;
    this.maxObjectSizeBytes = options.maxObjectSizeBytes ?? Number.MAX_SAFE_INTEGER;
    this.stamps = options.stamps ?? wallClockStamps();
  }

  async put(key: ObjectName, bytes: Buffer, options: PutOptions): Promise<ShardInfo> {
    options.signal?.throwIfAborted();
    this.checkRoom(bytes.length);
    checkDigests(bytes, options.expected);
    const etag = contentHash.of(bytes).toString('hex');
    const hash = hashName(key);
    const stamp = stampForPut(options, etag, this.held.get(hash), this.stamps);
    const info = {
      ...options.attributes,
      size: bytes.length,
      etag,
      stamp,
      modifiedMs: options.move?.modifiedMs ?? Date.now(),
      crc32c: crc32c(bytes),
    };
    this.replace(hash, { name: key, stamp, removed: false, etag, object: { info, bytes: Buffer.from(bytes) } });
    return info;
  }

  async create(key: ObjectName, options: CreateOptions): Promise<LocalShardWriter> {
    options.signal?.throwIfAborted();
    this.checkRoom(options.length ?? 0);
    checkPrecondition(options.precondition, this.held.get(hashName(key)));
    return new MemoryShardWriter(
      options,
      received => this.checkRoom(received),
      (bytes, putOptions) => this.put(key, bytes, putOptions),
    );
  }

  async open(key: ObjectName, options: OpenOptions = {}): Promise<ShardReader | undefined> {
    options.signal?.throwIfAborted();
    const object = this.held.get(hashName(key))?.object;
    if (object === undefined) return undefined;
    const { info, bytes } = object;
    return {
      info,
      copyTo: async (sink, range, { signal } = {}) => {
        const chunk = range === undefined ? bytes : bytes.subarray(range.first, range.last + 1);
        for (let offset = 0; offset < chunk.length; offset += CHUNK_BYTES) {
          signal?.throwIfAborted();
          await sink(Buffer.from(chunk.subarray(offset, offset + CHUNK_BYTES)));
        }
      },
      close: async () => {},
    };
  }

  async stat(key: ObjectName): Promise<(ShardInfo & { size: number }) | undefined> {
    return this.held.get(hashName(key))?.object?.info;
  }

  async remove(key: ObjectName, options: RemoveOptions): Promise<RemoveResult> {
    options.signal?.throwIfAborted();
    const hash = hashName(key);
    const present = this.held.get(hash);
    const stamp = stampForRemoval(options, present, this.stamps);
    const existed = present?.object !== undefined;
    if (existed || options.remember === true) this.replace(hash, { stamp, removed: true });
    return { existed, stamp };
  }

  has(key: ObjectName): boolean {
    return this.held.get(hashName(key))?.object !== undefined;
  }

  *entries(): Iterable<CatalogEntry> {
    for (const [hash, held] of this.held) yield catalogEntry(hash, held);
  }

  entry(hash: KeyHash): CatalogEntry | undefined {
    const held = this.held.get(hash);
    return held && catalogEntry(hash, held);
  }

  async nameOf(hash: KeyHash): Promise<ObjectName | undefined> {
    return this.held.get(hash)?.name;
  }

  async forget(hash: KeyHash, upTo: Stamp): Promise<void> {
    const held = this.held.get(hash);
    if (held === undefined || held.stamp > upTo) return;
    this.held.delete(hash);
    this.usedBytes -= sizeOf(held);
  }

  async bury(hash: KeyHash, stamp: Stamp): Promise<void> {
    if (tombstoneBeats(stamp, this.held.get(hash))) this.replace(hash, { stamp, removed: true });
  }

  onChange(listener: (entry: CatalogEntry) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async usage(): Promise<StoreUsage> {
    const freeBytes = this.capacityBytes - this.usedBytes;
    return {
      capacityBytes: this.capacityBytes,
      freeBytes,
      usedBytes: this.usedBytes,
      objects: [...this.held.values()].filter(held => held.object !== undefined).length,
      damagedObjects: 0,
      ...(freeBytes > 0 ? {} : { readOnlyReason: 'memory store is full' }),
    };
  }

  latestStamp(): Stamp {
    return this.latest;
  }

  private checkRoom(length: number): void {
    if (length > this.maxObjectSizeBytes) {
      throw new GranaryError('object-too-large', `More than ${this.maxObjectSizeBytes} bytes.`);
    }
    if (this.usedBytes + length > this.capacityBytes) {
      throw new GranaryError('storage-full', `No room for ${length} bytes.`);
    }
  }

  private replace(hash: KeyHash, held: Held): void {
    this.usedBytes += sizeOf(held) - sizeOf(this.held.get(hash));
    this.held.set(hash, held);
    this.latest = Math.max(this.latest, held.stamp);
    for (const listener of this.listeners) listener(catalogEntry(hash, held));
  }
}

class MemoryShardWriter implements LocalShardWriter {
  readonly checksTransfers = true;
  readonly releasesChunks = true;
  private readonly chunks: Buffer[] = [];
  private received = 0;
  private state: 'open' | 'failed' | 'ended' = 'open';

  constructor(
    private readonly options: CreateOptions,
    private readonly checkRoom: (received: number) => void,
    private readonly put: (bytes: Buffer, options: PutOptions) => Promise<ShardInfo>,
  ) {}

  async write(chunk: Buffer): Promise<void> {
    await this.failing(async () => {
      this.received += chunk.length;
      if (this.received > (this.options.length ?? Infinity)) throw incomplete(this.received, this.options.length);
      this.checkRoom(this.received);
      this.chunks.push(Buffer.from(chunk));
    });
  }

  async commit(options: { expected?: ExpectedDigests; crc32c?: number } = {}): Promise<ShardInfo> {
    return this.failing(async () => {
      const { length = this.received } = this.options;
      if (this.received !== length) throw incomplete(this.received, length);
      const bytes = Buffer.concat(this.chunks);
      if (options.crc32c !== undefined) checkTransfer(crc32c(bytes), options.crc32c);
      const expected = { ...this.options.expected, ...options.expected };
      const info = await this.put(bytes, { ...this.options, expected });
      this.state = 'ended';
      return info;
    });
  }

  async abort(): Promise<void> {
    this.state = 'ended';
    this.chunks.length = 0;
  }

  private async failing<T>(task: () => Promise<T>): Promise<T> {
    if (this.state !== 'open') throw new Error(`The writer has ${this.state}.`);
    this.state = 'failed';
    this.options.signal?.throwIfAborted();
    const result = await task();
    if (this.state === 'failed') this.state = 'open';
    return result;
  }
}

function incomplete(received: number, length: number | undefined): GranaryError {
  return new GranaryError('body-incomplete', `${received} bytes came where ${length} were declared.`);
}

function sizeOf(held: Held | undefined): number {
  return held?.object?.bytes.length ?? 0;
}

function catalogEntry(hash: KeyHash, { stamp, removed }: Held): CatalogEntry {
  return { hash, stamp, removed };
}
