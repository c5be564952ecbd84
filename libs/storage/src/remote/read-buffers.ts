import type { BufferPool } from '../buffer-pool.js';

/**
 * What one connection reads into: a small buffer of its own, a large one lent by the pool while a long
 * body comes and the pool has one, or the place where a short body belongs.
 */
export class ReadBuffers {
  /** The buffer that the socket has. */
  target: Buffer;
  isInPlace = false;

  private readonly own: Buffer;
  private lent: Buffer | undefined;
  /** Lent, and read full, but perhaps not consumed. */
  private retired: Buffer | undefined;

  constructor(
    private readonly pool: BufferPool,
    private readonly ownBytes: number,
  ) {
    this.own = Buffer.allocUnsafeSlow(ownBytes);
    this.target = this.own;
  }

  /** Whether the socket has a buffer that can serve for whatever comes next. */
  get isOwn(): boolean {
    return this.target === this.own;
  }

  /**
   * For data of which so many bytes are still to be received, and their place if they have one. To be called after
   * each read, when all that came before the bytes of that read has been consumed.
   */
  choose(toReceive: number, place?: Buffer): Buffer {
    this.isInPlace = place !== undefined;
    if (toReceive > this.ownBytes && place === undefined) this.lend();
    else this.retire();
    this.target = place ?? this.lent ?? this.own;
    return this.target;
  }

  /** To be called when nothing that was read is used any more. */
  giveBack(): void {
    if (this.retired !== undefined) this.pool.give(this.retired);
    this.retired = undefined;
  }

  /** To be called when the socket does not read any more either. */
  giveAllBack(): void {
    this.giveBack();
    this.retire();
    this.giveBack();
    this.target = this.own;
  }

  private lend(): void {
    if (this.lent !== undefined) return;
    this.lent = this.retired ?? this.pool.takeLarge();
    this.retired = undefined;
  }

  private retire(): void {
    if (this.lent === undefined) return;
    this.retired = this.lent;
    this.lent = undefined;
  }
}
