import { setTimeout as sleep } from 'node:timers/promises';

const WITHIN_MS = 10_000;

/** Waits until it holds; rejects after 10 s, saying what was awaited. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + WITHIN_MS;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${WITHIN_MS} ms: ${what}`);
    await sleep(5);
  }
}
