/**
 * `npm run cluster`: a cluster of real processes on this machine's loopback addresses, two API
 * servers (127.0.2.1–2) and six data servers (127.0.1.1–6), all on port 12345, with a RabbitMQ found
 * or started as the tests do. It is a full cluster when METADATA_URL is set, else a plain one. Ctrl-C ends them all. Linux only: elsewhere 127.0.1.1 has no address.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startBroker } from './broker.js';

const PORT = 12_345;
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 35_000;
const apiAddresses = ['127.0.2.1', '127.0.2.2'].map(host => `${host}:${PORT}`);
const dataAddresses = [1, 2, 3, 4, 5, 6].map(n => `127.0.1.${n}:${PORT}`);
const launcher = join(import.meta.dirname, '../../bin/granary.cjs');
const storageRoot = resolve(process.env['CLUSTER_ROOT'] ?? './data/cluster');

if (process.platform !== 'linux') {
  console.error('npm run cluster needs Linux, where every 127.x.y.z is this machine. Elsewhere: npm start.');
  process.exit(1);
}

const broker = await startBroker();
const servers = [
  ...dataAddresses.map(address =>
    start('data-server', {
      LISTEN_ADDRESS: address,
      STORAGE_ROOT: join(storageRoot, address.split(':')[0] ?? address),
    }),
  ),
  ...apiAddresses.map(address =>
    start('api-server', { LISTEN_ADDRESS: address, WORKERS: process.env['WORKERS'] ?? '1' }),
  ),
];
let stopping: Promise<void> | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(0));
for (const { name, child } of servers) {
  child.once('exit', (code, signal) => {
    if (stopping !== undefined) return;
    console.error(`${name} ended (${signal ?? code}); stopping the others.`);
    void stop(1);
  });
}

if (await allReady()) printWelcome();
else await stop(1);

function start(
  program: 'api-server' | 'data-server',
  env: Record<string, string>,
): { name: string; child: ChildProcess } {
  const child = spawn(process.execPath, [launcher, program], {
    env: { ...process.env, RABBITMQ_SERVER: broker.url, LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'warn', ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
    // Ctrl-C reaches this program alone, which ends the servers in order.
    detached: true,
  });
  return { name: `${program} ${env['LISTEN_ADDRESS']}`, child };
}

async function allReady(): Promise<boolean> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (const address of [...dataAddresses, ...apiAddresses]) {
    while (stopping === undefined && !(await isReady(address))) {
      if (Date.now() > deadline) {
        console.error(`${address} is not ready after ${READY_TIMEOUT_MS / 1000} s.`);
        return false;
      }
      await delay(100);
    }
  }
  return stopping === undefined;
}

async function isReady(address: string): Promise<boolean> {
  try {
    const response = await fetch(`http://${address}/health/ready`, { signal: AbortSignal.timeout(1000) });
    const readiness: unknown = await response.json();
    return response.ok && JSON.stringify(readiness).includes('"status":"ok"');
  } catch {
    return false;
  }
}

function printWelcome(): void {
  console.log(`
Granary, a ${process.env['METADATA_URL'] === undefined ? 'plain' : 'full'} cluster on this machine. Ctrl-C ends it; the objects stay in ${storageRoot}.

  API servers   ${apiAddresses.join('  ')}
  data servers  ${dataAddresses.join('  ')}
  RabbitMQ      ${broker.url.replace(/:[^:@/]+@/, ':***@')}${broker.owned ? ' (started here)' : ''}

  curl -v ${apiAddresses[1]}/objects/test2 -XPUT -d 'this is object test2'
  curl ${apiAddresses[0]}/objects/test2
  curl ${apiAddresses[1]}/locate/test2
  curl ${apiAddresses[0]}/cluster
`);
}

function stop(exitCode: number): Promise<void> {
  stopping ??= (async () => {
    // API servers first: they finish their requests while the data servers still answer.
    await Promise.all(servers.filter(({ name }) => name.startsWith('api')).map(({ child }) => end(child)));
    await Promise.all(servers.map(({ child }) => end(child)));
    await broker.stop();
    process.exit(exitCode);
  })();
  return stopping;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await Promise.race([ended, delay(STOP_TIMEOUT_MS, undefined, { ref: false }).then(() => child.kill('SIGKILL'))]);
}
