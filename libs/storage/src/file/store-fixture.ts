import { cp, mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeDisk, type Disk } from './disk.js';
import { FileShardStore, type FileShardStoreOptions } from './file-shard-store.js';
import { openStorageDirectory } from './storage-directory.js';
import type { StorageEvent } from './storage-events.js';

/** For specs: directories, stores in them, and what can go wrong with them. */
export class StoreFixture {
  readonly events: StorageEvent[] = [];
  private readonly stores: FileShardStore[] = [];
  private readonly directories: string[] = [];

  async directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'granary-store-'));
    this.directories.push(path);
    return path;
  }

  async open(path: string, options: FileShardStoreOptions = {}): Promise<FileShardStore> {
    const directory = await openStorageDirectory(path);
    const store = await FileShardStore.open(directory, { onEvent: event => this.events.push(event), ...options });
    this.stores.push(store);
    return store;
  }

  /** What a killed process would leave at this moment. */
  async crashedCopy(path: string): Promise<string> {
    const copy = await this.directory();
    await cp(path, copy, { recursive: true, filter: source => !source.endsWith('sock') });
    return copy;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.stores.map(store => store.close()));
    await Promise.all(this.directories.map(path => rm(path, { recursive: true, force: true })));
  }
}

/** The real disk, with some calls replaced. */
export function faultyDisk(faults: (real: Disk) => Partial<Disk>): Disk {
  const real = nodeDisk({ fsync: true, maxCallsInFlight: 8 });
  return { ...real, ...faults(real) };
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

/** Every file below a directory whose path contains `part`. */
export async function filesIn(path: string, part = ''): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .filter(file => file.slice(path.length).includes(part))
    .sort();
}

/** Flips one bit of the byte where `marker` begins, or at a given place before or behind it. */
export async function flipBit(path: string, marker: Buffer, distance = 0): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const at = (await file.readFile()).indexOf(marker);
    if (at < 0) throw new Error(`${path} does not have these bytes.`);
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at + distance);
    byte[0] = (byte[0] ?? 0) ^ 0x10;
    await file.write(byte, 0, 1, at + distance);
  } finally {
    await file.close();
  }
}
