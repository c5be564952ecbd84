/**
 * `npm run faults:memory`: 64 uploads of 1 GiB at once through one API server into six data servers,
 * and the peak memory of each process. Goals: an API worker ≤ 200 MiB, a data server ≤ 150 MiB.
 *
 *   --uploads 64 --mib 1024     fewer or smaller, for trying out
 */
import { randomBytes } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { startBroker } from '../../tools/broker.js';
import { Cluster } from '../harness/cluster.js';
import { del, request } from '../harness/http.js';
import { childrenOf, residentBytes } from '../harness/processes.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';

const MIB = 1024 * 1024;
const API_GOAL_MIB = 200;
const DATA_GOAL_MIB = 150;
/** Left free for everybody else. */
const SPARE_BYTES = 4 * 1024 * MIB;

const { values } = parseArgs({
  options: {
    uploads: { type: 'string', default: '64' },
    mib: { type: 'string', default: '1024' },
    workers: { type: 'string', default: '1' },
  },
});
const [uploads, mib] = [Number(values.uploads), Number(values.mib)];
requireSpace(uploads * mib * MIB);

const broker = await startBroker();
try {
  const cluster = await Cluster.start({
    brokerUrl: broker.url,
    apiServers: 1,
    apiEnv: { WORKERS: values.workers },
    env: { LOG_LEVEL: 'warn' },
  });
  const startedMs = performance.now();
  const statuses = await Promise.all(
    Array.from({ length: uploads }, (_, index) => upload(`${cluster.api()}/objects/${index}`)),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  const stored = statuses.filter(status => status === 200).length;
  console.log(`${stored} of ${uploads} uploads of ${mib} MiB stored in ${seconds.toFixed(0)} s`);
  const within = [
    ...cluster.apis
      .flatMap(api => [api.pid, ...childrenOf(api.pid)])
      .map(pid => report('API server', pid, API_GOAL_MIB)),
    ...cluster.datas.map(data => report('data server', data.pid, DATA_GOAL_MIB)),
  ];
  await Promise.all(statuses.map((_, index) => del(`${cluster.api()}/objects/${index}`)));
  await cluster.stop();
  process.exitCode = stored === uploads && within.every(Boolean) ? 0 : 1;
} finally {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
}

async function upload(url: string): Promise<number> {
  const chunk = randomBytes(MIB);
  const body = Readable.from(
    (function* () {
      for (let sent = 0; sent < mib; sent++) yield chunk;
    })(),
  );
  const headers = { 'Content-Length': mib * MIB };
  return (await request(url, { method: 'PUT', body, headers, timeoutMs: 3_600_000 })).status;
}

/** Says the peak of a process and whether it is within its goal. */
function report(kind: string, pid: number, goalMib: number): boolean {
  const peakMib = residentBytes(pid, 'VmHWM') / MIB;
  const within = peakMib <= goalMib;
  console.log(
    `${within ? 'PASS' : 'FAIL'} ${kind} (pid ${pid}): peak RSS ${peakMib.toFixed(0)} MiB, goal ${goalMib} MiB`,
  );
  return within;
}

function requireSpace(bytes: number): void {
  const { bavail, bsize } = statfsSync(tmpdir());
  const free = bavail * bsize;
  if (free < bytes + SPARE_BYTES) {
    const [has, needs] = [free, bytes + SPARE_BYTES].map(value => (value / 2 ** 30).toFixed(0));
    throw new Error(`${tmpdir()} has ${has} GiB free, ${needs} are needed: set TMPDIR, or --uploads and --mib.`);
  }
}
