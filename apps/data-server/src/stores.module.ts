import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogicalClock } from '#cluster';
import type { LocalShardStore, ShardCatalog, StoreUsage } from '#storage';
import {
  FileShardStore,
  openStorageDirectory,
  type FileShardStoreOptions,
  type StorageDirectory,
  type StorageEventListener,
} from '#storage/file';
import type { Logger, Metrics } from '#telemetry';
import type { DataServerConfig } from './config.js';

/** What a data server keeps. */
export interface Stores {
  /** The server's id, which its directory remembers. */
  serverId: string;
  /** By name: the objects of a plain cluster or a single node. */
  objects: LocalShardStore & ShardCatalog;
  /** By blob, segment and number: the shards of a full cluster. Undefined in a single node. */
  shards: (LocalShardStore & ShardCatalog) | undefined;
  /** Of all of it. */
  usage: () => Promise<StoreUsage>;
  close(): Promise<void>;
}

export interface StoresOptions {
  config: DataServerConfig;
  clock: LogicalClock;
  /** Whether API servers may bring shards. */
  keepsShards: boolean;
  logger: Logger;
  metrics: Metrics;
}

/** Where the shards are in STORAGE_ROOT, a store by themselves: no name can be taken for a shard. */
const SHARDS_DIRECTORY = 'shards';
/** A shard's key is never used again, so that its removal need not be remembered: only until a write under way has ended. */
const SHARD_TOMBSTONE_TTL_MS = 60 * 60 * 1000;

/** Opens what STORAGE_ROOT holds, for this process alone. A start that fails leaves nothing open. */
export async function openStores({ config, clock, keepsShards, logger, metrics }: StoresOptions): Promise<Stores> {
  if (!config.storageFsync) logger.warn('STORAGE_FSYNC=off: a power cut may lose objects that were acknowledged');
  const directory = await openStorageDirectory(config.storageRoot, {
    ...(config.serverId !== undefined && { expectedServerId: config.serverId }),
  });
  const opened: FileShardStore[] = [];
  const close = async () => {
    for (const store of opened.toReversed()) await store.close();
    await directory.close();
  };
  try {
    const options = storeOptions(config, clock, tellOfStore(logger, metrics));
    const objects = await FileShardStore.open(withoutLock(directory), options);
    opened.push(objects);
    const shards = keepsShards ? await openShards(directory, options) : undefined;
    if (shards !== undefined) opened.push(shards);
    const usage = async () => sumOf(await Promise.all(opened.map(store => store.usage())));
    watchUsage(usage, metrics);
    return { serverId: directory.serverId, objects, shards, usage, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function storeOptions(
  config: DataServerConfig,
  clock: LogicalClock,
  onEvent: StorageEventListener,
): FileShardStoreOptions {
  return {
    fsync: config.storageFsync,
    maxObjectSizeBytes: config.maxObjectSizeBytes,
    maxPackedBytes: config.smallObjectBytes,
    tombstoneTtlMs: config.tombstoneTtlMs,
    ...(config.packSizeBytes !== undefined && { packSizeBytes: config.packSizeBytes }),
    ...(config.minFreeBytes !== undefined && { minFreeBytes: config.minFreeBytes }),
    stamps: () => clock.next(),
    onEvent,
  };
}

async function openShards(directory: StorageDirectory, options: FileShardStoreOptions): Promise<FileShardStore> {
  const path = join(directory.path, SHARDS_DIRECTORY);
  await mkdir(path, { recursive: true });
  return FileShardStore.open(withoutLock({ ...directory, path }), {
    ...options,
    tombstoneTtlMs: SHARD_TOMBSTONE_TTL_MS,
  });
}

/** The stores share the directory's lock, which is released when all of them are closed. */
function withoutLock(directory: StorageDirectory): StorageDirectory {
  return { ...directory, close: async () => {} };
}

/** All on one file system. */
function sumOf(usages: readonly StoreUsage[]): StoreUsage {
  const sum = (key: 'usedBytes' | 'objects' | 'damagedObjects') =>
    usages.reduce((total, usage) => total + usage[key], 0);
  const readOnlyReason = usages.find(usage => usage.readOnlyReason !== undefined)?.readOnlyReason;
  return {
    capacityBytes: Math.max(...usages.map(usage => usage.capacityBytes)),
    freeBytes: Math.min(...usages.map(usage => usage.freeBytes)),
    usedBytes: sum('usedBytes'),
    objects: sum('objects'),
    damagedObjects: sum('damagedObjects'),
    ...(readOnlyReason !== undefined && { readOnlyReason }),
  };
}

/** What operators should hear of the store: in the log, and counted. */
function tellOfStore(logger: Logger, metrics: Metrics): StorageEventListener {
  const counter = metrics.counter('granary_storage_events_total', 'What happened to the store, by kind.', ['kind']);
  return event => {
    counter.inc({ kind: event.kind });
    const { kind, ...details } = event;
    if (kind === 'pack-compacted') logger.debug(details, kind);
    else if (event.kind === 'read-only' && event.reason === undefined) logger.info('there is space for objects again');
    else logger.warn('error' in details ? { ...details, err: details.error } : details, `storage: ${kind}`);
  };
}

function watchUsage(usage: () => Promise<StoreUsage>, metrics: Metrics): void {
  const watch = (
    name: string,
    help: string,
    key: 'capacityBytes' | 'freeBytes' | 'usedBytes' | 'objects' | 'damagedObjects',
  ) => metrics.gauge(name, help, async () => (await usage())[key]);
  watch('granary_storage_capacity_bytes', 'Size of the file system that holds the store.', 'capacityBytes');
  watch('granary_storage_free_bytes', 'Free bytes of that file system.', 'freeBytes');
  watch('granary_storage_used_bytes', 'Bytes taken by the store.', 'usedBytes');
  watch('granary_storage_objects', 'Objects and shards in the store.', 'objects');
  watch('granary_storage_damaged_objects', 'Objects whose bytes no longer match their checksums.', 'damagedObjects');
}
