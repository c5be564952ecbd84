import { describe, expect, it } from '@jest/globals';
import { STAMPS_PER_MS } from '#contracts';
import { LogicalClock } from './logical-clock.js';

const HOUR_MS = 3_600_000;

function clockAt(startMs: number): { clock: LogicalClock; set: (ms: number) => void } {
  let nowMs = startMs;
  return { clock: new LogicalClock(() => nowMs), set: ms => (nowMs = ms) };
}

describe('LogicalClock', () => {
  it('follows the wall clock and counts within one millisecond', () => {
    const { clock, set } = clockAt(1_000_000);
    expect(clock.next()).toBe(1_000_000 * STAMPS_PER_MS);
    expect(clock.next()).toBe(1_000_000 * STAMPS_PER_MS + 1);
    set(1_000_001);
    expect(clock.next()).toBe(1_000_001 * STAMPS_PER_MS);
  });

  it.each([-HOUR_MS, HOUR_MS])('never goes back when the wall clock jumps by %d ms and returns', jumpMs => {
    const startMs = Date.UTC(2026, 10, 21);
    const { clock, set } = clockAt(startMs);
    const stamps = [clock.next()];
    for (const ms of [startMs + jumpMs, startMs + jumpMs + 1, startMs + 2, startMs + 3]) {
      set(ms);
      stamps.push(clock.next(), clock.next());
    }
    expect(stamps).toEqual(stamps.toSorted((a, b) => a - b));
    expect(new Set(stamps).size).toBe(stamps.length);
  });

  it('gives stamps greater than every one observed, however its own wall clock lags', () => {
    const { clock } = clockAt(1_000_000);
    const elsewhere = (1_000_000 + HOUR_MS) * STAMPS_PER_MS + 7;
    clock.observe(elsewhere);
    expect(clock.last).toBe(elsewhere);
    expect(clock.next()).toBe(elsewhere + 1);
    clock.observe(5);
    expect(clock.next()).toBe(elsewhere + 2);
  });

  it('ignores a stamp more than a day ahead', () => {
    const { clock } = clockAt(1_000_000);
    clock.observe((1_000_000 + 25 * HOUR_MS) * STAMPS_PER_MS);
    clock.observe(Number.MAX_SAFE_INTEGER);
    expect(clock.next()).toBe(1_000_000 * STAMPS_PER_MS);
  });

  it('keeps following the others after every wall clock was set back by days', () => {
    const { clock, set } = clockAt(Date.UTC(2026, 10, 21));
    const before = clock.next();
    set(Date.UTC(2026, 10, 18));
    clock.observe(before + 5000);
    expect(clock.next()).toBe(before + 5001);
  });
});
