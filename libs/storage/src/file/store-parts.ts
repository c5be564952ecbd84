import type { BufferPool } from '../buffer-pool.js';
import type { StampSource } from '../commit-rules.js';
import type { KeyedMutex } from '../keyed-mutex.js';
import type { BackgroundWork } from './background-work.js';
import type { Disk } from './disk.js';
import type { FreeSpace } from './free-space.js';
import type { PackFiles } from './pack-files.js';
import type { PackWriter } from './pack-writer.js';
import type { SpaceReserve } from './space-reserve.js';
import type { StorageEventListener } from './storage-events.js';
import type { StoreCatalog } from './store-catalog.js';
import type { StoreLayout } from './store-layout.js';

/** What the operations of one file store work with. */
export interface StoreParts {
  disk: Disk;
  layout: StoreLayout;
  catalog: StoreCatalog;
  packs: PackFiles;
  writer: PackWriter;
  space: FreeSpace;
  reserve: SpaceReserve;
  buffers: BufferPool;
  /** Held while the state of a key changes. */
  locks: KeyedMutex;
  stamps: StampSource;
  background: BackgroundWork;
  onEvent: StorageEventListener;
}
