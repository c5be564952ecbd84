import fs from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from './errno.js';
import { quickReads } from './quick-reads.js';

/**
 * The calls that the file store makes of the operating system: the seam where tests inject faults.
 * They reject with the system's errors.
 */
export interface Disk {
  /** Flags as in fs.open, e.g. `r`, `wx+`. */
  open(path: string, flags: string): Promise<number>;
  /** For writes of aligned buffers (isPageAligned) past the page cache; undefined where that cannot be done. */
  openDirect(path: string): Promise<number | undefined>;
  /** A new file of which each write is durable when it resolves; undefined, and no file, where that is not to be had. */
  createSynced(path: string): Promise<number | undefined>;
  close(descriptor: number): Promise<void>;
  /** May read fewer bytes than asked; 0 at the end. */
  read(descriptor: number, buffer: Buffer, offset: number, length: number, position: number): Promise<number>;
  /** May write fewer bytes than asked. */
  write(descriptor: number, buffer: Buffer, offset: number, length: number, position: number): Promise<number>;
  fdatasync(descriptor: number): Promise<void>;
  fsync(descriptor: number): Promise<void>;
  truncate(descriptor: number, length: number): Promise<void>;
  fileSize(descriptor: number): Promise<number>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  readdir(path: string): Promise<string[]>;
  space(path: string): Promise<DiskSpace>;
}

export interface DiskSpace {
  capacityBytes: number;
  /** What an ordinary user may still fill. */
  freeBytes: number;
  /** Undefined on file systems that make inodes as they need them. */
  freeInodes: number | undefined;
}

export interface NodeDiskOptions {
  /** `false` makes fsync and fdatasync do nothing: fast, and not safe against a power cut. */
  fsync: boolean;
  /**
   * Calls in flight, of those that read and of those that write; more wait in line, so that one slow
   * disk does not take every thread of libuv's pool.
   */
  maxCallsInFlight: number;
}

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

/** The real disk. */
export function nodeDisk({ fsync, maxCallsInFlight }: NodeDiskOptions): Disk {
  const reading = callGate(maxCallsInFlight);
  const writing = callGate(maxCallsInFlight);
  const quickRead = quickReads();

  return {
    open: (path, flags) => reading(done => fs.open(path, flags, 0o640, done)),
    openDirect: directOpener(fsync, reading),
    createSynced: syncedCreator(fsync, reading),
    close: descriptor => reading<void>(done => fs.close(descriptor, error => done(error ?? null))),
    read: async (descriptor, buffer, offset, length, position) =>
      quickRead(length, () => fs.readSync(descriptor, buffer, offset, length, position)) ??
      reading(done => fs.read(descriptor, buffer, offset, length, position, done)),
    write: (descriptor, buffer, offset, length, position) =>
      writing(done => fs.write(descriptor, buffer, offset, length, position, done)),
    fdatasync: async descriptor => {
      if (fsync) await writing<void>(done => fs.fdatasync(descriptor, done));
    },
    fsync: async descriptor => {
      if (fsync) await writing<void>(done => fs.fsync(descriptor, done));
    },
    truncate: (descriptor, length) => writing<void>(done => fs.ftruncate(descriptor, length, done)),
    fileSize: async descriptor => (await reading<fs.Stats>(done => fs.fstat(descriptor, done))).size,
    rename: (from, to) => writing<void>(done => fs.rename(from, to, done)),
    unlink: path => writing<void>(done => fs.unlink(path, done)),
    mkdir: async path => {
      await writing<string | undefined>(done => fs.mkdir(path, { recursive: true }, done));
    },
    readdir: path => reading(done => fs.readdir(path, done)),
    space: async path => {
      const { bsize, blocks, bavail, files, ffree } = await reading<fs.StatsFs>(done => fs.statfs(path, done));
      return {
        capacityBytes: blocks * bsize,
        freeBytes: bavail * bsize,
        freeInodes: files > 0 ? ffree : undefined,
      };
    },
  };
}

/** Only on Linux, and only to a disk that is synced: else the page cache is all that was asked for. */
function directOpener(fsync: boolean, gate: CallGate): Disk['openDirect'] {
  const { O_DIRECT, O_WRONLY } = fs.constants;
  let isPossible = fsync && typeof O_DIRECT === 'number';
  return async path => {
    if (!isPossible) return undefined;
    try {
      return await gate<number>(done => fs.open(path, O_WRONLY | O_DIRECT, done));
    } catch (error) {
      if (errnoOf(error) !== 'EINVAL') throw error;
      isPossible = false;
      return undefined;
    }
  };
}

/** Linux file systems known to keep the promise of O_DSYNC, by the type that statfs tells. Those in user space may not. */
export const SYNCS_WRITES: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0xf2f52010, // F2FS
  0x2fc12fc1, // ZFS
]);

/** One call into the thread pool instead of two for each group of records, whose bytes are few. */
function syncedCreator(fsync: boolean, gate: CallGate): Disk['createSynced'] {
  const { O_CREAT, O_DSYNC, O_EXCL, O_WRONLY } = fs.constants;
  if (!fsync || process.platform !== 'linux') return async () => undefined;
  return async path => {
    const { type } = await gate<fs.StatsFs>(done => fs.statfs(dirname(path), done));
    if (!SYNCS_WRITES.has(type)) return undefined;
    return gate<number>(done => fs.open(path, O_WRONLY | O_CREAT | O_EXCL | O_DSYNC, 0o640, done));
  };
}

type CallGate = <T>(start: (done: Done<T>) => void) => Promise<T>;

function callGate(maxInFlight: number): CallGate {
  const waiting: (() => void)[] = [];
  let inFlight = 0;
  return <T>(start: (done: Done<T>) => void): Promise<T> =>
    new Promise((resolve, reject) => {
      const begin = () => {
        inFlight += 1;
        start((error, value) => {
          inFlight -= 1;
          waiting.shift()?.();
          if (error) reject(error);
          else resolve(value);
        });
      };
      if (inFlight < maxInFlight) begin();
      else waiting.push(begin);
    });
}
