import { setTimeout as sleep } from 'node:timers/promises';
import { isBusy } from './sqlite-failure.js';

const INTERVAL_MS = 20;

/**
 * Tries again while other processes hold a lock: one that starts too, one that migrates, one that recovers
 * the log. SQLite's own busy timeout does not cover all of these.
 */
export async function waitForLock<Result>(timeoutMs: number, work: () => Result | Promise<Result>): Promise<Result> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw error;
      await sleep(INTERVAL_MS);
    }
  }
}
