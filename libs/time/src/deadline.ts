/** Takes a deadline back. Does nothing when it has passed. */
export type Cancel = () => void;

/** Of a timer that fires so late: this process stood still. */
const PAUSE_MS = 100;
/** What stands still is often the whole machine: who is waited for gets this long more, if the deadline itself was as long. */
export const AFTER_PAUSE_MS = 200;

/**
 * Calls back when `ms` have passed, one turn of the event loop later than a plain timer: after a pause of
 * this process timers come before what arrived in time, and whoever reads that can still cancel. When the
 * pause went beyond the deadline, it passes up to 200 ms after it.
 */
export function startDeadline(ms: number, onLate: () => void): Cancel {
  let turn: NodeJS.Immediate | undefined;
  const judge = (): void => {
    turn = setImmediate(onLate);
  };
  const dueMs = performance.now() + ms;
  let timer = setTimeout(() => {
    if (!isPausedSince(dueMs)) judge();
    else timer = setTimeout(judge, Math.min(ms, AFTER_PAUSE_MS));
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(turn);
  };
}

/** Whether what was to run then, and runs only now, shows that this process stood still. */
export function isPausedSince(dueMs: number): boolean {
  return performance.now() - dueMs > PAUSE_MS;
}

/** What the work results in, or what `late` returns or throws when it takes longer. The work itself goes on. */
export async function withDeadline<Result>(ms: number, work: Promise<Result>, late: () => Result): Promise<Result> {
  let cancel: Cancel | undefined;
  const passed = new Promise<void>(resolve => {
    cancel = startDeadline(ms, resolve);
  });
  try {
    return await Promise.race([work, passed.then(late)]);
  } finally {
    cancel?.();
  }
}
