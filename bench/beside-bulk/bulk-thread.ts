import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { runRound, type Keys } from '../load/round.js';
import type { Scenario } from '../load/scenario.js';
import type { Target } from '../target.js';

/** Long transfers without a pause. */
export interface Bulk {
  target: Target;
  scenario: Scenario;
  present: readonly string[];
  /** Transfers that have begun by then are completed. */
  durationMs: number;
}

/** In a thread of its own, so that what is measured beside it waits for the servers alone. Resolves to bytes/s. */
export async function runBulk(bulk: Bulk): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), { workerData: bulk });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
    worker.once('exit', code => reject(new Error(`The thread of the long transfers ended with ${code}.`)));
  });
}

if (!isMainThread) {
  const { target, scenario, present, durationMs } = workerData as Bulk;
  let serial = 0;
  const keys: Keys = { present, fresh: () => `${present[0] ?? 'bulk'}-fresh-${serial++}` };
  const { operations, errors, firstError, seconds } = await runRound(target, scenario, keys, durationMs);
  if (errors > 0) throw new Error(`${errors} of the long transfers failed: ${firstError}`);
  parentPort?.postMessage((operations * scenario.sizeBytes) / seconds);
}
