import { setTimeout as sleep } from 'node:timers/promises';
import { stopwatch } from './stopwatch.js';

const POLL_INTERVAL_MS = 50;

/**
 * Polls until the condition holds and resolves to the ms it took, by a stopwatch; rejects after `timeoutMs`, saying
 * what was awaited and what went wrong last. An error in the condition means "not yet".
 */
export async function waitUntil(
  what: string,
  timeoutMs: number,
  condition: () => Promise<boolean> | boolean,
): Promise<number> {
  const elapsedMs = stopwatch();
  let last: unknown;
  while (elapsedMs() < timeoutMs) {
    try {
      if (await condition()) return elapsedMs();
      last = undefined;
    } catch (error) {
      last = error;
    }
    await sleep(POLL_INTERVAL_MS);
  }
  throw new Error(`waited ${timeoutMs} ms until ${what}`, { cause: last });
}
