/** A call to be made later, unless it is cleared. */
export interface Alarm {
  atMs: number;
  readonly ring: () => void;
}

const TICK_MS = 20;

/**
 * Timers that almost never fire: one for each wait of every read and write. All of them share one of
 * node's, which would cost 3 µs each; so they may be late by TICK_MS. They do not keep the process alive.
 *
 * Time in which this process is stopped or busy does not count: what came in time is looked at first, or
 * a pause here would make every server a slow one.
 */
export class CoarseTimers {
  private readonly alarms = new Set<Alarm>();
  private isTicking = false;
  private dueMs = 0;

  set(delayMs: number, ring: () => void): Alarm {
    const alarm = { atMs: performance.now() + delayMs, ring };
    this.alarms.add(alarm);
    if (!this.isTicking) this.tickSoon();
    return alarm;
  }

  clear(alarm: Alarm | undefined): void {
    if (alarm !== undefined) this.alarms.delete(alarm);
  }

  private tickSoon(): void {
    this.isTicking = true;
    this.dueMs = performance.now() + TICK_MS;
    setTimeout(this.tick, TICK_MS).unref();
  }

  private readonly tick = (): void => {
    const nowMs = performance.now();
    const lateMs = nowMs - this.dueMs;
    this.isTicking = false;
    if (this.alarms.size > 0) this.tickSoon();
    for (const alarm of this.alarms) {
      if (lateMs > TICK_MS) alarm.atMs += lateMs;
      if (alarm.atMs > nowMs) continue;
      this.alarms.delete(alarm);
      alarm.ring();
    }
  };
}

/** One for the whole process. */
export const coarseTimers = new CoarseTimers();
