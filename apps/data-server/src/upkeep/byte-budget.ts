import { setTimeout as sleep } from 'node:timers/promises';

/** Spreads bytes over time: over any long stretch no more than `bytesPerSecond` are taken. */
export class ByteBudget {
  #freeAtMs = 0;

  constructor(
    private readonly bytesPerSecond: number,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** Resolves when the bytes may go; those who ask later go later. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const nowMs = this.nowMs();
    const startMs = Math.max(nowMs, this.#freeAtMs);
    this.#freeAtMs = startMs + (bytes * 1000) / this.bytesPerSecond;
    if (startMs > nowMs) await sleep(startMs - nowMs, undefined, signal === undefined ? {} : { signal });
  }
}
