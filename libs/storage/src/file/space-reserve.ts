import { syncDirectory, unlinkIfThere, withFile, writeFully } from './disk-access.js';
import type { Disk } from './disk.js';

/** A file of real blocks that is given up when a full disk leaves no room even for a tombstone. */
export class SpaceReserve {
  private present = false;

  constructor(
    private readonly disk: Disk,
    private readonly path: string,
    private readonly directory: string,
    private readonly sizeBytes: number,
  ) {}

  /** Makes the file if it is missing and `freeBytes` allow it. Never rejects. */
  async restore(freeBytes: number): Promise<void> {
    if (this.present || freeBytes < this.sizeBytes * 4) return;
    try {
      await withFile(this.disk, this.path, 'w', async descriptor => {
        await writeFully(this.disk, descriptor, Buffer.alloc(this.sizeBytes, 'reserve '), 0);
        await this.disk.fsync(descriptor);
      });
      this.present = true;
    } catch {
      await unlinkIfThere(this.disk, this.path).catch(() => {});
    }
  }

  /** Whether there was something to give up. Never rejects. */
  async release(): Promise<boolean> {
    if (!this.present) return false;
    this.present = false;
    try {
      await unlinkIfThere(this.disk, this.path);
      await syncDirectory(this.disk, this.directory);
      return true;
    } catch {
      return false;
    }
  }
}
