import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { AFTER_PAUSE_MS } from '#time';
import { DeadlineWatch, type Waiting } from './deadline-watch.js';

const TICKS_MS = 60;

class Waiter implements Waiting {
  expirations = 0;

  constructor(readonly deadlineMs: number) {}

  expire(): void {
    this.expirations += 1;
  }
}

describe('those who wait', () => {
  const watch = new DeadlineWatch();
  const waiters: Waiter[] = [];
  const waitFor = (ms: number): Waiter => {
    const waiter = new Waiter(performance.now() + ms);
    waiters.push(waiter);
    watch.add(waiter);
    return waiter;
  };
  afterEach(async () => {
    for (const waiter of waiters.splice(0)) watch.remove(waiter);
    await sleep(TICKS_MS);
  });

  it('are told when their time is over, and nobody else is', async () => {
    const [soon, never] = [waitFor(1), waitFor(Infinity)];
    await expired(soon);
    expect(never.expirations).toBe(0);
  });

  it('are given time for an answer when this process stood still, and then told', async () => {
    const waiter = waitFor(100);
    await sleep(TICKS_MS);
    standStill(500);
    const resumedMs = performance.now();
    await expired(waiter);
    expect(performance.now() - resumedMs).toBeGreaterThan(AFTER_PAUSE_MS - 10);
  });

  it('are told also by a process that is late all the time', async () => {
    const waiter = waitFor(100);
    for (let turns = 0; turns < 50 && waiter.expirations === 0; turns += 1) {
      standStill(150);
      await sleep(0);
    }
    expect(waiter.expirations).toBe(1);
  });
});

function standStill(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

async function expired(waiter: Waiter): Promise<void> {
  while (waiter.expirations === 0) await sleep(5);
}
