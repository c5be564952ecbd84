export { DirectoryLocked, type LockHolder } from './directory-lock.js';
export { nodeDisk, SYNCS_WRITES, type Disk, type DiskSpace, type NodeDiskOptions } from './disk.js';
export { FileShardStore, type FileShardStoreOptions } from './file-shard-store.js';
export { ObjectFile } from './object-file.js';
export {
  StorageDirectoryRefused,
  openStorageDirectory,
  type StorageDirectory,
  type StorageDirectoryOptions,
} from './storage-directory.js';
export type { StorageEvent, StorageEventListener } from './storage-events.js';
