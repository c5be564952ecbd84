/**
 * `npm run bench:beside-bulk`: how long a small GET takes at a server that moves large objects meanwhile,
 * on a connection that stands and on a new one; and how much the large ones move. Each kind of server has
 * one thread for its clients.
 *
 *   --streams n      of 64 MiB objects, all the time; default 32
 *   --seconds s      of measuring; default 5
 *   --only text      only targets whose name contains the text; repeatable
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { removeTempDirectories } from '../../test/harness/temp-directory.js';
import { isAsked } from '../is-asked.js';
import { HttpConnection } from '../load/http-connection.js';
import { getRequest } from '../load/requests.js';
import { remove, store } from '../load/round.js';
import type { Scenario } from '../load/scenario.js';
import type { Target } from '../target.js';
import { WAYS } from '../targets/granary.js';
import { runBulk } from './bulk-thread.js';

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '32' },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string', multiple: true, default: [] },
  },
});
const streams = Number(values.streams);
const measuredMs = Number(values.seconds) * 1000;

const LARGE_BYTES = 64 * 1024 * 1024;
const LARGE = Array.from({ length: 8 }, (_, index) => `bulk-${index}`);
const SMALL = 'beside-bulk';
const SMALL_BYTES = 1024;
const UNTIL_ALL_MOVE_MS = 2000;
const EVERY_MS = 20;
/** Connections that stand, enough for answers that take a second. */
const AT_ONCE = 64;

console.log(`GET of ${SMALL_BYTES} bytes, in ms, beside ${streams} streams of 64 MiB objects.\n`);
console.log('| target | beside | kept connection: p50 | p95 | max | new connection: p50 | p95 | max | bulk MB/s |');
console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- |');
for (const { name, start } of WAYS) {
  if (!isAsked(name, values.only)) continue;
  const { targets, stop } = await start(1);
  try {
    for (const target of targets) await measure(target);
  } finally {
    await stop();
    removeTempDirectories();
  }
}

async function measure(target: Target): Promise<void> {
  await store(target, [SMALL], SMALL_BYTES);
  await store(target, LARGE, LARGE_BYTES);
  report(target, 'nothing', await timeSmall(target));
  for (const operation of ['get', 'put'] as const) {
    const scenario: Scenario = {
      id: 'bulk',
      title: 'bulk',
      operation,
      sizeBytes: LARGE_BYTES,
      concurrency: streams,
      maxOperations: Number.POSITIVE_INFINITY,
    };
    const bulk = runBulk({ target, scenario, present: LARGE, durationMs: UNTIL_ALL_MOVE_MS + measuredMs });
    // Until it is awaited.
    bulk.catch(() => {});
    await sleep(UNTIL_ALL_MOVE_MS);
    const [latencies, bytesPerSecond] = await Promise.all([timeSmall(target), bulk]);
    report(target, operation.toUpperCase(), latencies, bytesPerSecond);
  }
  await remove(target, LARGE);
}

interface Latencies {
  keptMs: number[];
  newMs: number[];
}

/** Asks at fixed times, however late the answers are: else there would be few figures of the slow moments. */
async function timeSmall(target: Target): Promise<Latencies> {
  const latencies: Latencies = { keptMs: [], newMs: [] };
  const standing = Array.from({ length: AT_ONCE }, () => new HttpConnection(target.host, target.port));
  await Promise.all(standing.map(connection => get(connection, target)));
  const asking: Promise<void>[] = [];
  for (const endMs = performance.now() + measuredMs; performance.now() < endMs; await sleep(EVERY_MS)) {
    ask(new HttpConnection(target.host, target.port), latencies.newMs, connection => connection.close());
    const kept = standing.pop();
    if (kept !== undefined) ask(kept, latencies.keptMs, connection => standing.push(connection));
  }
  await Promise.all(asking);
  for (const connection of standing) connection.close();
  return latencies;

  function ask(connection: HttpConnection, figures: number[], onAnswered: (connection: HttpConnection) => void): void {
    const answered = get(connection, target).then(ms => {
      figures.push(ms);
      return onAnswered(connection);
    });
    // Until it is awaited.
    answered.catch(() => {});
    asking.push(answered);
  }
}

async function get(connection: HttpConnection, target: Target): Promise<number> {
  const startedMs = performance.now();
  const { status, bodyBytes } = await connection.send(getRequest(target, SMALL));
  if (status !== 200 || bodyBytes !== SMALL_BYTES) throw new Error(`${target.name}: ${status} with ${bodyBytes} bytes`);
  return performance.now() - startedMs;
}

function report(target: Target, beside: string, { keptMs, newMs }: Latencies, bytesPerSecond?: number): void {
  const figures = [...quantiles(keptMs), ...quantiles(newMs)].map(ms => ms.toFixed(1));
  const moved = bytesPerSecond === undefined ? '' : (bytesPerSecond / 1e6).toFixed(0);
  console.log(`| ${[target.name, beside, ...figures, moved].join(' | ')} |`);
}

function quantiles(latencies: readonly number[]): number[] {
  const sorted = latencies.toSorted((a, b) => a - b);
  return [0.5, 0.95, 1].map(part => sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN);
}
