import { describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { CoarseTimers } from './coarse-timers.js';

describe('CoarseTimers', () => {
  it('ring once, never early, not after they were cleared, and again after a rest', async () => {
    const timers = new CoarseTimers();
    for (let round = 0; round < 2; round += 1) {
      const rung: string[] = [];
      const start = performance.now();
      timers.set(60, () => rung.push('late', performance.now() - start >= 60 ? 'in time' : 'early'));
      timers.set(5, () => rung.push('soon'));
      const cleared = timers.set(5, () => rung.push('cleared'));
      timers.clear(cleared);
      await until(() => rung.length >= 3);
      expect(rung).toEqual(['soon', 'late', 'in time']);
    }
  });

  it('do not count the time in which this process is busy', async () => {
    const timers = new CoarseTimers();
    let rung = false;
    timers.set(30, () => (rung = true));
    for (const end = performance.now() + 200; performance.now() < end;);
    await delay(5);
    expect(rung).toBe(false);
    await until(() => rung);
  });

  it('may be set and cleared by one that rings', async () => {
    const timers = new CoarseTimers();
    const rung: string[] = [];
    timers.set(1, () => {
      timers.clear(other);
      timers.set(1, () => rung.push('next'));
    });
    const other = timers.set(1, () => rung.push('other'));
    await until(() => rung.length > 0);
    await delay(100);
    expect(rung).toEqual(['next']);
  });
});

/** Waits until it holds, however often this process is stopped, whose time does not count for them. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !holds(); turn += 1) await delay(10);
  expect(holds()).toBe(true);
}
