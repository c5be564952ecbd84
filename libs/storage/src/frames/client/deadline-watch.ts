import { AFTER_PAUSE_MS, isPausedSince } from '#time';

/** Somebody who waits. */
export interface Waiting {
  /** On the clock of performance.now(); Infinity while nothing is awaited. */
  readonly deadlineMs: number;
  expire(): void;
}

const TICK_MS = 20;

/**
 * One timer for all who wait, looked at every 20 ms while there are any: setting a deadline is an
 * assignment then, where a timer of its own for each exchange would cost a good part of it. After a pause
 * of this process nobody's time is over for 200 ms: the server may have stood still as well.
 */
export class DeadlineWatch {
  private readonly waiting = new Set<Waiting>();
  private timer: NodeJS.Timeout | undefined;
  private dueMs = 0;
  private patientUntilMs: number | undefined;

  add(one: Waiting): void {
    this.waiting.add(one);
    if (this.timer !== undefined) return;
    this.patientUntilMs = undefined;
    this.dueMs = performance.now() + TICK_MS;
    this.timer = setInterval(() => this.look(), TICK_MS);
  }

  remove(one: Waiting): void {
    this.waiting.delete(one);
  }

  private look(): void {
    if (this.waiting.size === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
      return;
    }
    const nowMs = performance.now();
    // Once for a row of pauses: a process that is late all the time would be patient for ever.
    if (isPausedSince(this.dueMs)) this.patientUntilMs ??= nowMs + AFTER_PAUSE_MS;
    this.dueMs = nowMs + TICK_MS;
    if (nowMs < (this.patientUntilMs ?? 0)) return;
    this.patientUntilMs = undefined;
    for (const one of this.waiting) if (one.deadlineMs <= nowMs) this.expireSoon(one, one.deadlineMs);
  }

  /** After a pause of this process, what came in time is read only now. */
  private expireSoon(one: Waiting, deadlineMs: number): void {
    setImmediate(() => {
      if (one.deadlineMs === deadlineMs && this.waiting.has(one)) one.expire();
    });
  }
}
