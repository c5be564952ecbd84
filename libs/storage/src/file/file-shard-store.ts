import { GranaryError, hashName, type KeyHash, type ObjectName, type Stamp } from '#contracts';
import { transferBuffers, type BufferPool } from '../buffer-pool.js';
import { checkPrecondition, wallClockStamps, type StampSource } from '../commit-rules.js';
import { KeyedMutex } from '../keyed-mutex.js';
import type {
  CatalogEntry,
  CreateOptions,
  LocalShardStore,
  OpenOptions,
  PutOptions,
  RemoveOptions,
  RemoveResult,
  ShardCatalog,
  ShardInfo,
  ShardReader,
  StoreUsage,
} from '../shard-store.js';
import { BackgroundWork } from './background-work.js';
import { commitBurial, commitForgetting, commitRemoval, presentCopy } from './commit-object.js';
import { nodeDisk, type Disk } from './disk.js';
import { FileShardWriter, storeSmall, tooLarge, type ObjectLimits } from './file-shard-writer.js';
import { findObject, shardInfo } from './find-object.js';
import { FreeSpace } from './free-space.js';
import { loadFiles } from './load-files.js';
import { loadPacks } from './load-packs.js';
import { objectReader } from './object-reader.js';
import { PackFiles } from './pack-files.js';
import { PackWriter } from './pack-writer.js';
import { SpaceReserve } from './space-reserve.js';
import type { StorageDirectory } from './storage-directory.js';
import type { StorageEventListener } from './storage-events.js';
import { StoreCatalog, catalogEntry, isObject } from './store-catalog.js';
import { StoreLayout } from './store-layout.js';
import type { StoreParts } from './store-parts.js';
import { Upkeep } from './upkeep.js';

export interface FileShardStoreOptions {
  /** `false`: nothing is synced; a power cut may then lose what was acknowledged. Default true. */
  fsync?: boolean;
  maxObjectSizeBytes?: number;
  /** Objects up to this size are kept in packs, larger ones in files. Default 64 KiB. */
  maxPackedBytes?: number;
  /** Default 128 MiB, or a 32nd of the disk, whichever is less. */
  packSizeBytes?: number;
  /** With less free than this, objects are refused. Default 1 GiB, or 2 % of the disk, whichever is less. */
  minFreeBytes?: number;
  compactionBytesPerSecond?: number;
  tombstoneTtlMs?: number;
  /** Disk calls in flight, of those that read and of those that write. Default 8 of each. */
  maxDiskCalls?: number;
  maxOpenPacks?: number;
  stamps?: StampSource;
  buffers?: BufferPool;
  onEvent?: StorageEventListener;
  /** For tests that inject faults. */
  disk?: Disk;
}

/**
 * Objects on a disk: small ones in packs, large ones in files (docs/storage-format.md). One process
 * per directory. An acknowledged change is durable; a crash at any moment leaves old or new.
 */
export class FileShardStore implements LocalShardStore, ShardCatalog {
  private closing: Promise<void> | undefined;

  private constructor(
    private readonly directory: StorageDirectory,
    private readonly parts: StoreParts,
    private readonly limits: ObjectLimits,
    private readonly upkeep: Upkeep,
  ) {}

  /** Reads what is there; sweeps what a crash left. The directory is the store's from now on: `close` closes it. */
  static async open(directory: StorageDirectory, options: FileShardStoreOptions = {}): Promise<FileShardStore> {
    const { fsync = true, maxDiskCalls = 8, onEvent = () => {} } = options;
    const disk = options.disk ?? nodeDisk({ fsync, maxCallsInFlight: maxDiskCalls });
    const layout = new StoreLayout(directory.path);
    await layout.create(disk);
    const space = new FreeSpace(disk, directory.path, options.minFreeBytes, onEvent);
    await space.refresh();
    const { capacityBytes, freeBytes } = space.now;
    const reserve = new SpaceReserve(disk, layout.reserve, layout.root, reserveBytes(capacityBytes));
    await reserve.restore(freeBytes);

    const packs = new PackFiles(disk, options.maxOpenPacks ?? 64);
    const catalog = new StoreCatalog(packs);
    const firstPackId = await loadPacks({ disk, layout, packs, catalog, onEvent });
    const packSizeBytes = options.packSizeBytes ?? defaultPackSize(capacityBytes);
    const parts: StoreParts = {
      disk,
      layout,
      catalog,
      packs,
      writer: new PackWriter({ disk, layout, packs, reserve, firstPackId, packSizeBytes, onEvent }),
      space,
      reserve,
      buffers: options.buffers ?? transferBuffers,
      locks: new KeyedMutex(),
      stamps: options.stamps ?? wallClockStamps(),
      background: new BackgroundWork(onEvent),
      onEvent,
    };
    await loadFiles(parts);

    const limits = {
      maxPackedBytes: options.maxPackedBytes ?? 64 * 1024,
      maxObjectSizeBytes: options.maxObjectSizeBytes ?? Number.MAX_SAFE_INTEGER,
    };
    const upkeep = new Upkeep(parts, {
      packSizeBytes,
      compactionBytesPerSecond: options.compactionBytesPerSecond ?? 32 * 1024 * 1024,
      tombstoneTtlMs: options.tombstoneTtlMs ?? 7 * 24 * 3_600_000,
    });
    upkeep.start();
    return new FileShardStore(directory, parts, limits, upkeep);
  }

  async put(key: ObjectName, bytes: Buffer, options: PutOptions): Promise<ShardInfo> {
    if (bytes.length > this.limits.maxPackedBytes) return this.putLarge(key, bytes, options);
    this.checkAdmission(bytes.length, options.signal);
    const claim = await this.parts.space.claim(bytes.length);
    try {
      return await storeSmall(this.parts, key, bytes, options, claim);
    } finally {
      claim.release();
    }
  }

  async create(key: ObjectName, options: CreateOptions): Promise<FileShardWriter> {
    const { parts, limits } = this;
    this.checkAdmission(options.length ?? 0, options.signal);
    if (options.precondition !== undefined) {
      checkPrecondition(options.precondition, await presentCopy(parts, hashName(key), options));
    }
    const claim = await parts.space.claim(options.length ?? 0);
    const writer = new FileShardWriter(parts, key, options, limits, claim);
    try {
      return await writer.prepare();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  async open(key: ObjectName, { signal }: OpenOptions = {}): Promise<ShardReader | undefined> {
    signal?.throwIfAborted();
    const hash = hashName(key);
    const found = await findObject(this.parts, hash);
    return found && objectReader(this.parts, hash, found);
  }

  async stat(
    key: ObjectName,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<(ShardInfo & { size: number }) | undefined> {
    signal?.throwIfAborted();
    const found = await this.find(hashName(key));
    return found && shardInfo(found);
  }

  remove(key: ObjectName, options: RemoveOptions): Promise<RemoveResult> {
    return commitRemoval(this.parts, hashName(key), options);
  }

  has(key: ObjectName): boolean {
    const entry = this.parts.catalog.get(hashName(key));
    return entry !== undefined && isObject(entry);
  }

  *entries(): Iterable<CatalogEntry> {
    for (const [hash, entry] of this.parts.catalog.all()) {
      const visible = catalogEntry(hash, entry);
      if (visible !== undefined) yield visible;
    }
  }

  entry(hash: KeyHash): CatalogEntry | undefined {
    const entry = this.parts.catalog.get(hash);
    return entry && catalogEntry(hash, entry);
  }

  async nameOf(hash: KeyHash): Promise<ObjectName | undefined> {
    return (await this.find(hash))?.name;
  }

  forget(hash: KeyHash, upTo: Stamp): Promise<void> {
    return commitForgetting(this.parts, hash, upTo);
  }

  bury(hash: KeyHash, stamp: Stamp): Promise<void> {
    return commitBurial(this.parts, hash, stamp);
  }

  onChange(listener: (entry: CatalogEntry) => void): () => void {
    return this.parts.catalog.onChange(listener);
  }

  async usage(): Promise<StoreUsage> {
    const { space, packs, catalog } = this.parts;
    const { capacityBytes, freeBytes } = space.now;
    let usedBytes = catalog.fileBytes;
    for (const pack of packs.all()) usedBytes += pack.size;
    return {
      capacityBytes,
      freeBytes,
      usedBytes,
      objects: catalog.objects,
      damagedObjects: catalog.damagedObjects,
      ...(space.readOnlyReason === undefined ? {} : { readOnlyReason: space.readOnlyReason }),
    };
  }

  latestStamp(): Stamp {
    return this.parts.catalog.latestStamp;
  }

  /** To be called when no operation runs any more. Idempotent. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async putLarge(key: ObjectName, bytes: Buffer, options: PutOptions): Promise<ShardInfo> {
    const writer = await this.create(key, { ...options, length: bytes.length });
    try {
      await writer.write(bytes);
      return await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  private async find(hash: KeyHash) {
    const found = await findObject(this.parts, hash);
    if (found !== undefined && 'descriptor' in found) await this.parts.disk.close(found.descriptor);
    return found;
  }

  private checkAdmission(length: number, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.closing !== undefined) throw new GranaryError('shutting-down', 'The store is closed.');
    if (length > this.limits.maxObjectSizeBytes) throw tooLarge(this.limits.maxObjectSizeBytes);
  }

  private async shutDown(): Promise<void> {
    await this.upkeep.stop();
    await this.parts.background.idle();
    await this.parts.writer.close();
    await this.parts.packs.close();
    await this.directory.close();
  }
}

const MIB = 1024 * 1024;

function defaultPackSize(capacityBytes: number): number {
  return Math.max(MIB, Math.min(128 * MIB, Math.floor(capacityBytes / 32)));
}

function reserveBytes(capacityBytes: number): number {
  return Math.min(MIB, Math.floor(capacityBytes / 64));
}
