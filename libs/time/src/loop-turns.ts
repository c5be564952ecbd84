/**
 * What a turn moves of long bodies, and a transfer when it is its turn: some tenths of a millisecond's work. To pause a
 * socket and resume it costs as much as some 64 KiB.
 */
const TURN_BYTES = 256 * 1024;

interface Waiting {
  bytes: number;
  goOn: () => void;
}

/**
 * Shares the turns of an event loop between long bodies and everything else. A socket with more to
 * read is read up to 32 times in one turn, and a turn accepts one connection however many wait (both
 * libuv): some dozen transfers would make turns of hundreds of milliseconds, and new clients would wait
 * for several of them.
 */
export class LoopTurns {
  private readonly waiting: Waiting[] = [];
  private movedBytes = 0;

  /** Undefined if this turn has room for more; else resolves when one has, in the order in which it was asked. */
  take(bytes: number): Promise<void> | undefined {
    if (this.movedBytes >= TURN_BYTES) return new Promise(goOn => this.waiting.push({ bytes, goOn }));
    if (this.movedBytes === 0) setImmediate(this.next);
    this.movedBytes += bytes;
    return undefined;
  }

  /** Whether room of this turn has been given to long bodies so far. */
  get hasLongBodies(): boolean {
    return this.movedBytes > 0;
  }

  private readonly next = (): void => {
    this.movedBytes = 0;
    while (this.movedBytes < TURN_BYTES) {
      const first = this.waiting.shift();
      if (first === undefined) break;
      this.movedBytes += first.bytes;
      first.goOn();
    }
    if (this.movedBytes > 0) setImmediate(this.next);
  };
}

/** Those of this thread. */
export const loopTurns = new LoopTurns();

/** Shorter bodies come in one turn or two. */
const LONG_BYTES = 128 * 1024;

/** A body on its way: its share of the turns, if it is long or of unknown length. */
export class PacedTransfer {
  /** Bytes that it may move before it asks again. */
  private allowance = 0;
  private readonly isLong: boolean;

  constructor(
    private unmovedBytes = Infinity,
    private readonly turns = loopTurns,
  ) {
    this.isLong = unmovedBytes > LONG_BYTES;
  }

  /**
   * To be told of each piece: `moving` is what its mover waits for. Undefined if the next piece may be moved
   * at once; else resolves when `moving` has and it is this transfer's turn again. Rejects as `moving` does.
   */
  pace(bytes: number, moving: Promise<void> | undefined): Promise<void> | undefined {
    this.unmovedBytes -= bytes;
    this.allowance -= bytes;
    if (!this.isLong || this.allowance > 0 || this.unmovedBytes <= 0) return moving;
    const share = Math.min(TURN_BYTES, this.unmovedBytes);
    const wanted = share - this.allowance;
    this.allowance = share;
    return moving === undefined ? this.turns.take(wanted) : moving.then(() => this.turns.take(wanted));
  }
}
