const TICK_MS = 10;
/** A tick that comes later than this means that this process could not run: the machine stood still, or ran others. */
const PAUSE_MS = 50;

let pausedMs = 0;
let lastTickMs = performance.now();
setInterval(notePause, TICK_MS).unref();

function notePause(): void {
  const nowMs = performance.now();
  const lateMs = nowMs - lastTickMs - TICK_MS;
  if (lateMs > PAUSE_MS) pausedMs += lateMs;
  lastTickMs = nowMs;
}

/**
 * Measures what other processes take. It tells the ms since it was started, without those in which this
 * process could not have seen an answer: what a server promises holds of a machine that lets it run.
 */
export function stopwatch(): () => number {
  notePause();
  const [startedMs, pausedBeforeMs] = [performance.now(), pausedMs];
  return () => {
    notePause();
    return performance.now() - startedMs - (pausedMs - pausedBeforeMs);
  };
}

/**
 * Calls back when so much time has passed by a stopwatch, after what arrived until then has been read. Returns how
 * to take it back.
 */
export function callAfter(ms: number, onLate: () => void): () => void {
  const elapsedMs = stopwatch();
  let turn: NodeJS.Immediate | undefined;
  const look = (): void => {
    const leftMs = ms - elapsedMs();
    if (leftMs > 0) timer = setTimeout(look, leftMs);
    else turn = setImmediate(onLate);
  };
  let timer = setTimeout(look, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(turn);
  };
}
