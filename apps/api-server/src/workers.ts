import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '#telemetry';

export interface WorkersOptions {
  count: number;
  logger: Logger;
  /** What is left of the workers this long after the first signal is killed. */
  stopDeadlineMs: number;
}

/** A worker that lived this long was not failing to start. */
const HEALTHY_AFTER_MS = 10_000;
const MIN_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;

/**
 * The primary of an API server: workers share its address, and one that dies is replaced. SIGTERM and
 * Ctrl-C are passed on, and the process ends when all workers have (exit 0); a second signal kills
 * them (exit 1). If the first worker cannot start there is nothing to serve (exit 1).
 */
export async function runWorkers({ count, logger, stopDeadlineMs }: WorkersOptions): Promise<void> {
  let isStopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (isStopping) killAll();
    isStopping = true;
    logger.info(`${signal}: stopping ${liveWorkers().length} workers`);
    for (const worker of liveWorkers()) worker.process.kill('SIGTERM');
    setTimeout(killAll, stopDeadlineMs).unref();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);

  // One first: what keeps a worker from starting would keep all of them, and is said once.
  const first = cluster.fork();
  if (!(await listens(first))) process.exit(isStopping ? 0 : 1);
  const others = Array.from({ length: count - 1 }, () => cluster.fork());
  const exitCodes = await Promise.all([first, ...others].map(worker => keepAlive(worker, () => isStopping, logger)));
  process.exit(exitCodes.every(code => code === 0) ? 0 : 1);
}

/** False if it ends instead. */
async function listens(worker: Worker): Promise<boolean> {
  const abort = new AbortController();
  const { signal } = abort;
  try {
    return await Promise.race([
      once(worker, 'listening', { signal }).then(() => true),
      once(worker, 'exit', { signal }).then(() => false),
    ]);
  } finally {
    abort.abort();
  }
}

/** Replaces the worker whenever it ends, until the program stops. Resolves to the last exit code. */
async function keepAlive(first: Worker, isStopping: () => boolean, logger: Logger): Promise<number> {
  let worker = first;
  let backoffMs = MIN_BACKOFF_MS;
  for (;;) {
    const startedMs = performance.now();
    // oxlint-disable-next-line no-await-in-loop -- one life after the other
    const [code, signal] = (await once(worker, 'exit')) as [number | null, string | null];
    // SIGTERM kills only a worker that has not begun to serve.
    if (isStopping()) return signal === 'SIGTERM' ? 0 : (code ?? 1);
    if (performance.now() - startedMs > HEALTHY_AFTER_MS) backoffMs = MIN_BACKOFF_MS;
    logger.error({ worker: worker.id, code, signal, backoffMs }, 'a worker ended; starting another');
    // oxlint-disable-next-line no-await-in-loop -- or a worker that cannot start would use all the CPU
    await sleep(backoffMs);
    if (isStopping()) return 0;
    backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS);
    worker = cluster.fork();
  }
}

function killAll(): never {
  for (const worker of liveWorkers()) worker.process.kill('SIGKILL');
  process.exit(1);
}

function liveWorkers(): Worker[] {
  return Object.values(cluster.workers ?? {}).filter(worker => worker !== undefined);
}
