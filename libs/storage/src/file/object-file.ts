import { isPageAligned } from '../buffer-pool.js';
import { writeFully } from './disk-access.js';
import type { Disk } from './disk.js';
import { errnoOf } from './errno.js';

/**
 * The file of a large object while it is written. Aligned buffers go to the disk past the page cache
 * where the file system takes them so, since copying them there first can cost more than all else
 * that is done with them; the rest goes through it. Nothing is durable before `sync`.
 */
export class ObjectFile {
  /** Undefined: not opened yet. `none`: there is no writing past the page cache here. */
  private direct: number | 'none' | undefined;
  private syncing: Promise<void> | undefined;
  private unsyncedBytes = 0;

  private constructor(
    private readonly disk: Disk,
    private readonly path: string,
    /** For reading, and for writing through the page cache. */
    readonly descriptor: number,
  ) {}

  /** Creates the file; it must not exist. */
  static async create(disk: Disk, path: string): Promise<ObjectFile> {
    return new ObjectFile(disk, path, await disk.open(path, 'wx+'));
  }

  /** One at a time. The bytes must stay as they are until it ends. */
  async write(bytes: Buffer, position: number): Promise<void> {
    const written = isPageAligned(bytes, position) ? await this.writeDirect(bytes, position) : 0;
    if (written === bytes.length) return;
    await writeFully(this.disk, this.descriptor, bytes.subarray(written), position + written);
    this.syncInBackground(bytes.length - written);
  }

  async sync(): Promise<void> {
    await this.syncing;
    await this.disk.fsync(this.descriptor);
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.syncing?.catch(() => {});
    if (typeof this.direct === 'number') await this.disk.close(this.direct).catch(() => {});
    await this.disk.close(this.descriptor);
  }

  /** Returns how many of the bytes were written; 0 where they have to go the other way. */
  private async writeDirect(bytes: Buffer, position: number): Promise<number> {
    this.direct ??= (await this.disk.openDirect(this.path)) ?? 'none';
    if (this.direct === 'none') return 0;
    try {
      return await this.disk.write(this.direct, bytes, 0, bytes.length, position);
    } catch (error) {
      // What some file systems say of their own alignment, or of such writes altogether.
      if (errnoOf(error) !== 'EINVAL') throw error;
      const refusing = this.direct;
      this.direct = 'none';
      await this.disk.close(refusing).catch(() => {});
      return 0;
    }
  }

  /** Starts the disk early, so that the last sync of a long object does not have all of it to write. */
  private syncInBackground(bytes: number): void {
    this.unsyncedBytes += bytes;
    if (this.syncing !== undefined || this.unsyncedBytes < SYNC_EVERY_BYTES) return;
    this.unsyncedBytes = 0;
    const syncing = this.disk.fdatasync(this.descriptor).then(() => void (this.syncing = undefined));
    // A failure stays in `syncing` and fails `sync`; this descriptor is never synced again.
    syncing.catch(() => {});
    this.syncing = syncing;
  }
}

const SYNC_EVERY_BYTES = 16 * 1024 * 1024;
