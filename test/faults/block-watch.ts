import { Worker } from 'node:worker_threads';
import { heldUpMs } from '../harness/processes.js';

const TICK_MS = 5;

/** A thread with nothing else to do than to notice when it is late: then the machine stood still, or ran others. */
const CONTROL = `
  const { workerData: [pausedMs, isWatching] } = require('node:worker_threads');
  let lastMs = performance.now();
  setInterval(() => {
    const nowMs = performance.now();
    pausedMs[0] += Math.max(0, nowMs - lastMs - ${2 * TICK_MS});
    lastMs = nowMs;
    isWatching[0] = 1;
  }, ${TICK_MS});
`;

/**
 * Tells how long the event loop was blocked by what ran on it, from when the thread beside it runs until it
 * is stopped. The time in which the machine let this process wait is none of that: it is what the thread was
 * late by, what the main thread spent ready to run, and what the machine's own host took from its cores.
 */
export class BlockWatch {
  #longestMs = 0;
  readonly #pausedMs = new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT));
  readonly #isControlled = new Uint8Array(new SharedArrayBuffer(1));
  readonly #control = new Worker(CONTROL, { eval: true, workerData: [this.#pausedMs, this.#isControlled] });
  readonly #ticking: NodeJS.Timeout;

  constructor() {
    // A tick later: a pause may be noticed elsewhere after this thread goes on.
    let [older, last] = [this.#look(), this.#look()];
    this.#ticking = setInterval(() => {
      const now = this.#look();
      const blockedMs = last.atMs - older.atMs - TICK_MS - (now.notOursMs - older.notOursMs);
      if (this.#isControlled[0] === 1) this.#longestMs = Math.max(this.#longestMs, blockedMs);
      [older, last] = [last, now];
    }, TICK_MS);
  }

  get longestMs(): number {
    return this.#longestMs;
  }

  /** How long the machine let nobody here run, in all. */
  get pausedMs(): number {
    return this.#pausedMs[0] ?? 0;
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticking);
    await this.#control.terminate();
  }

  #look() {
    return { atMs: performance.now(), notOursMs: this.pausedMs + heldUpMs(process.pid) };
  }
}
