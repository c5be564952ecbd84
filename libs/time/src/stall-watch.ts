import type { Socket } from 'node:net';

/** Checks that fit into the time allowed. */
const CHECKS = 3;

/** How often a connection is to be checked: what its idle timer is to be set to, ms. */
export function stallCheckMs(stallTimeoutMs: number): number {
  return stallTimeoutMs / CHECKS;
}

/**
 * Tells a connection whose other side stands still from one that is slow. It is to be asked when the idle timer
 * fires that node keeps for each socket, which costs nothing per chunk, and takes for a stall that nothing moved
 * at several checks in a row. One that came late starts the row anew: this process was paused, or node saw the
 * kernel take something.
 */
export class StallWatch {
  private moved = -1;
  private checkedMs = -Infinity;
  private row = 0;

  constructor(readonly stallTimeoutMs: number) {}

  get checkMs(): number {
    return stallCheckMs(this.stallTimeoutMs);
  }

  /** Nothing came for the whole time. */
  sendsNothing(bytesRead: number): boolean {
    return this.rowAt(bytesRead) >= CHECKS;
  }

  /**
   * The kernel took nothing for two to three thirds of the time: when it took some, the timer does not fire, so one
   * check less is heard of. It takes in steps, whose size depends on the buffers of both sides: 7 MiB were seen on
   * a loopback with tcp_rmem of 32 MiB. Who reads less in this time cannot be told from one who stands still.
   */
  takesNothing(bytesWritten: number): boolean {
    return this.rowAt(bytesWritten) >= CHECKS - 1;
  }

  /** How many checks in a row have seen this. */
  private rowAt(moved: number): number {
    const nowMs = performance.now();
    const isNext = moved === this.moved && nowMs - this.checkedMs < 1.5 * this.checkMs;
    this.row = isNext ? this.row + 1 : 1;
    this.moved = moved;
    this.checkedMs = nowMs;
    return this.row;
  }
}

/** To be called when the idle timer has fired. Judges a turn later, and not at all if something had arrived in a pause of this process. */
export function unlessHeard(socket: Socket, judge: () => void): void {
  const { bytesRead } = socket;
  setImmediate(() => {
    if (!socket.destroyed && socket.bytesRead === bytesRead) judge();
  });
}
