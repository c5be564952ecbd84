import { STAMPS_PER_MS, type Stamp } from '#contracts';

const HOUR = 3_600_000 * STAMPS_PER_MS;

/** A stamp further ahead of the wall clock is taken for a mistake, not for the time. */
const MAX_AHEAD = 24 * HOUR;
/** After our own wall clock was set back by more than that, we still follow the others' stamps this far beyond our last. */
const MAX_STEP = HOUR;

/**
 * A hybrid logical clock (Kulkarni et al. 2014): stamps follow the wall clock, never go back when it
 * does, and are greater than every stamp observed. So a write that starts after another was answered
 * is the newer one, wherever the wall clocks stand, as long as the stamps get around (docs/plain-cluster.md).
 */
export class LogicalClock {
  #last: Stamp = 0;

  constructor(private readonly wallNowMs: () => number = Date.now) {}

  /** A stamp greater than all before. */
  next(): Stamp {
    this.#last = Math.max(this.#last + 1, this.#wall());
    return this.#last;
  }

  /** Learns of a stamp given elsewhere; one that is absurdly far ahead is ignored. */
  observe(stamp: Stamp): void {
    if (stamp > this.#last && stamp <= Math.max(this.#wall() + MAX_AHEAD, this.#last + MAX_STEP)) this.#last = stamp;
  }

  /** The greatest stamp given or observed: what a server announces. */
  get last(): Stamp {
    return this.#last;
  }

  #wall(): Stamp {
    return Math.floor(this.wallNowMs()) * STAMPS_PER_MS;
  }
}
