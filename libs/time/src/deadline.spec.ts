import { EventEmitter, once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { AFTER_PAUSE_MS, startDeadline, withDeadline } from './deadline.js';

const MS = 20;

function throwLate(): never {
  throw new Error('late');
}

/** The process stands still beyond the deadline; the message that came meanwhile is heard of after the timers. */
function pauseUntilHeard(listener: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port2.once('message', () => {
    listener();
    port1.close();
  });
  port1.postMessage('in time');
  standStill(3 * MS);
}

function standStill(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

describe('a deadline', () => {
  it('passes once', async () => {
    let calls = 0;
    startDeadline(MS, () => (calls += 1));
    while (calls === 0) await sleep(MS);
    await sleep(4 * MS);
    expect(calls).toBe(1);
  });

  it('that was cancelled does not pass, and cancelling again does nothing', async () => {
    let calls = 0;
    const cancel = startDeadline(MS, () => (calls += 1));
    cancel();
    cancel();
    await sleep(4 * MS);
    expect(calls).toBe(0);
  });

  it('can be cancelled by what came during a pause of the process', async () => {
    let calls = 0;
    const cancel = startDeadline(MS, () => (calls += 1));
    pauseUntilHeard(cancel);
    await sleep(4 * MS);
    expect(calls).toBe(0);
  });
});

describe('a deadline that passes while the process stands still', () => {
  it('leaves those who stood still with it time to answer', async () => {
    let passedMs = 0;
    startDeadline(300, () => (passedMs = performance.now()));
    standStill(600);
    const resumedMs = performance.now();
    while (passedMs === 0) await sleep(MS);
    expect(passedMs - resumedMs).toBeGreaterThan(AFTER_PAUSE_MS - 10);
  });

  it('can be cancelled in that time', async () => {
    let calls = 0;
    const cancel = startDeadline(300, () => (calls += 1));
    standStill(600);
    // The timer has fired then.
    await sleep(0);
    cancel();
    await sleep(AFTER_PAUSE_MS + 100);
    expect(calls).toBe(0);
  });

  it('passes all the same', async () => {
    let calls = 0;
    startDeadline(MS, () => (calls += 1));
    standStill(500);
    while (calls === 0) await sleep(MS);
    await sleep(MS);
    expect(calls).toBe(1);
  });
});

describe('work with a deadline', () => {
  const never = new Promise<string>(() => {});

  it('results in what it does in time', async () => {
    expect(await withDeadline(MS, Promise.resolve('done'), () => 'late')).toBe('done');
    await expect(withDeadline(MS, Promise.reject(new Error('failed')), () => 'late')).rejects.toThrow('failed');
  });

  it('results in what it did during a pause of the process', async () => {
    const work = new EventEmitter<{ done: [string] }>();
    const result = withDeadline<unknown>(MS, once(work, 'done'), () => 'late');
    pauseUntilHeard(() => work.emit('done', 'done'));
    expect(await result).toEqual(['done']);
  });

  it('that takes longer results in what is late', async () => {
    expect(await withDeadline(MS, never, () => 'late')).toBe('late');
    await expect(withDeadline(MS, never, throwLate)).rejects.toThrow('late');
  });

  it('may fail later, unheard', async () => {
    let fail: ((error: Error) => void) | undefined;
    const work = new Promise<string>((_, reject) => (fail = reject));
    expect(await withDeadline(MS, work, () => 'late')).toBe('late');
    fail?.(new Error('unheard'));
    await nextTurn();
  });
});
