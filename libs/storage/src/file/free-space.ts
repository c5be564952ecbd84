import { GranaryError } from '#contracts';
import type { Disk, DiskSpace } from './disk.js';
import type { StorageEventListener } from './storage-events.js';

/** Follows the space on the disk and refuses objects while too little is left, so that removals and compaction always have some. */
export class FreeSpace {
  private space: DiskSpace = { capacityBytes: 0, freeBytes: 0, freeInodes: undefined };
  private refreshedMs = -Infinity;
  private refreshing: Promise<void> | undefined;
  /** Bytes promised to writers that have not written them all. */
  private promisedBytes = 0;
  private writtenBytes = 0;
  readOnlyReason: string | undefined;

  constructor(
    private readonly disk: Disk,
    private readonly path: string,
    private readonly minFreeBytes: number | undefined,
    private readonly onEvent: StorageEventListener,
  ) {}

  get now(): DiskSpace {
    return this.space;
  }

  /** Asks the system, one question at a time. */
  refresh(): Promise<void> {
    this.refreshing ??= this.ask().finally(() => (this.refreshing = undefined));
    return this.refreshing;
  }

  /** Claims room for `length` bytes beside what the writers in progress still have to write. Throws `storage-full`. */
  async claim(length: number): Promise<SpaceClaim> {
    if (!this.fits(length) && performance.now() - this.refreshedMs > REFRESH_WHEN_FULL_MS) await this.refresh();
    if (!this.fits(length)) throw this.refusal(length);
    this.promisedBytes += length;
    let promised = length;
    return {
      wrote: bytes => {
        const kept = Math.min(bytes, promised);
        promised -= kept;
        this.promisedBytes -= kept;
        this.writtenBytes += bytes;
        if (bytes > kept && !this.fits(0)) throw this.refusal(bytes);
      },
      release: () => {
        this.promisedBytes -= promised;
        promised = 0;
      },
    };
  }

  private fits(length: number): boolean {
    return this.readOnlyReason === undefined && this.left() - length >= this.reservedBytes();
  }

  private left(): number {
    return this.space.freeBytes - this.promisedBytes - this.writtenBytes;
  }

  private refusal(length: number): GranaryError {
    return new GranaryError(
      'storage-full',
      this.readOnlyReason ??
        `${length} bytes do not fit: ${this.left()} are free, ${this.reservedBytes()} of them reserved.`,
    );
  }

  private reservedBytes(): number {
    return this.minFreeBytes ?? Math.min(MAX_RESERVED_BYTES, this.space.capacityBytes * RESERVED_SHARE);
  }

  private async ask(): Promise<void> {
    this.space = await this.disk.space(this.path);
    this.refreshedMs = performance.now();
    this.writtenBytes = 0;
    const before = this.readOnlyReason;
    this.readOnlyReason = this.reason();
    if (before !== this.readOnlyReason && (before === undefined || this.readOnlyReason === undefined)) {
      this.onEvent({ kind: 'read-only', reason: this.readOnlyReason });
    }
  }

  private reason(): string | undefined {
    if (this.space.freeInodes === 0) return 'disk full: no inodes are free';
    const reserved = this.reservedBytes();
    if (this.space.freeBytes >= reserved) return undefined;
    return `disk full: ${this.space.freeBytes} bytes are free, fewer than the ${Math.ceil(reserved)} that are reserved`;
  }
}

/** The room that one writer was promised. */
export interface SpaceClaim {
  /** Counts bytes written. Throws `storage-full` when they are more than was promised, and there is no room for more. */
  wrote(bytes: number): void;
  /** Gives back what was not written. */
  release(): void;
}

const REFRESH_WHEN_FULL_MS = 200;
const MAX_RESERVED_BYTES = 1024 ** 3;
const RESERVED_SHARE = 0.02;
