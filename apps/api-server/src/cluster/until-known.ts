import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterView } from '#cluster';

/** A server that starts asks all others to beat, and has heard them by then; who is absent or slow is not waited for. */
const KNOWN_WITHIN_MS = 1000;
const LOOK_MS = 20;
/** Beats that were asked for come together. */
const UNCHANGED_LOOKS = 3;

/**
 * Resolves when `atLeast` data servers have beaten, all of those have proven themselves, and no more
 * come; or after a second, whatever is known then. A server that took clients before could only refuse them.
 */
export async function untilKnown(view: Pick<ClusterView, 'live'>, atLeast: number): Promise<void> {
  const deadlineMs = performance.now() + KNOWN_WITHIN_MS;
  let unchanged = 0;
  let known = 0;
  while (unchanged < UNCHANGED_LOOKS && performance.now() < deadlineMs) {
    // oxlint-disable-next-line no-await-in-loop -- a look from time to time
    await sleep(LOOK_MS);
    const { live } = view;
    const isSettled = live.length >= atLeast && live.length === known && live.every(member => member.proven);
    unchanged = isSettled ? unchanged + 1 : 0;
    known = live.length;
  }
}
