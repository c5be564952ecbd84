import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 5;
/** A look that comes later than this means that this process could not run: the machine stood still, or ran others. */
const PAUSE_MS = 50;

/**
 * Resolves when the check holds; rejects with what was awaited when it does not within the time. Time in which
 * this process could not run does not count.
 */
export async function eventually(what: string, check: () => boolean, timeoutMs = 10_000): Promise<void> {
  let leftMs = timeoutMs;
  let lookedMs = performance.now();
  while (!check()) {
    if (leftMs < 0) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(POLL_MS);
    const nowMs = performance.now();
    leftMs -= nowMs - lookedMs > PAUSE_MS ? POLL_MS : nowMs - lookedMs;
    lookedMs = nowMs;
  }
}
