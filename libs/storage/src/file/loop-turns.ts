/**
 * Lets one of those that ask go on in each turn of the event loop, in the order in which they asked:
 * for work that takes a good part of a millisecond. A turn accepts one connection however many wait
 * (libuv), so that a hundred such pieces of work in each turn would keep new clients out for seconds.
 */
class LoopTurns {
  private readonly waiting: (() => void)[] = [];
  private isTaken = false;

  /** Undefined where nobody has gone on in this turn. */
  take(): Promise<void> | undefined {
    if (this.isTaken) return new Promise(resolve => this.waiting.push(resolve));
    this.isTaken = true;
    setImmediate(this.next);
    return undefined;
  }

  private readonly next = (): void => {
    const first = this.waiting.shift();
    this.isTaken = first !== undefined;
    if (first === undefined) return;
    first();
    setImmediate(this.next);
  };
}

/** Of the event loop of this thread. */
export const loopTurns = new LoopTurns();
