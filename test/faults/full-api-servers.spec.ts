import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBroker, type Broker } from '../../tools/broker.js';
import { CRASH_POINTS, type CrashPoint } from '../../apps/api-server/src/versions/crash-points.js';
import { apiServer, type Cluster } from '../harness/cluster.js';
import { startFullCluster } from '../harness/full-cluster.js';
import { del, get, put, type Answer } from '../harness/http.js';
import { it } from '../harness/it.js';
import { endAllServers, type ServerProcess } from '../harness/server-process.js';
import { beginPut } from '../harness/slow-transfers.js';
import { removeTempDirectories } from '../harness/temp-directory.js';

const SIZES = [1_000, 3_000_000];
let broker: Broker;
let cluster: Cluster;

beforeAll(async () => {
  broker = await startBroker();
  cluster = await startFullCluster({ brokerUrl: broker.url });
});
afterAll(async () => {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
});

describe('an API server that dies (row 19)', () => {
  it('in the middle of a PUT leaves the old object, and the retry succeeds', async () => {
    const old = randomBytes(3_000_000);
    await put(`${cluster.api(1)}/objects/half`, old);
    for (let cycle = 0; cycle < 3; cycle++) {
      const upload = beginPut(cluster.api(0), '/objects/half', 4_000_000);
      upload.socket.write(Buffer.alloc(3_000_000));
      await sleep(50 + 100 * cycle);
      await cluster.apis[0]?.kill();
      expect((await get(`${cluster.api(1)}/objects/half`)).body.equals(old)).toBe(true);
      cluster.apis[0]?.start();
      await cluster.ready();
    }
    expect((await put(`${cluster.api(0)}/objects/half`, 'retried')).status).toBe(200);
    expect((await get(`${cluster.api(1)}/objects/half`)).body.toString()).toBe('retried');
  });

  it('at each step of a change leaves the old state or the new one, by whether it was committed', async () => {
    // They start together, since starting is what takes time here.
    const doomed = await Promise.all(CRASH_POINTS.map((point, index) => startDoomed(point, index)));
    for (const [index, point] of CRASH_POINTS.entries()) {
      for (const size of point.startsWith('put:') ? SIZES : SIZES.slice(0, 1)) {
        const server = doomed[index];
        if (server === undefined) throw new Error(`no server dies at ${point}`);
        if (!server.isRunning) await restartDoomed(server);
        await dieAt(server, point, size);
      }
    }
  });
});

async function startDoomed(point: CrashPoint, index: number): Promise<ServerProcess> {
  const { options } = cluster;
  const server = await apiServer({ ...options, apiEnv: { ...options.apiEnv, GRANARY_CRASH_POINT: point } }, 2 + index);
  await isReady(server);
  return server;
}

async function restartDoomed(server: ServerProcess): Promise<void> {
  server.start();
  await isReady(server);
}

async function isReady(server: ServerProcess): Promise<void> {
  await server.ready();
  await cluster.sees(
    server.url,
    cluster.datas.map(({ address }) => address),
  );
}

/** Of three states, one after the other, the server dies on the way to the third. */
async function dieAt(server: ServerProcess, point: CrashPoint, size: number): Promise<void> {
  const path = `/objects/${point.replace(':', '-')}-${size}`;
  const [older, present, next] = [randomBytes(size), randomBytes(size), randomBytes(size)];
  await put(`${cluster.api()}${path}`, older);
  const { 'granary-version': version } = (await put(`${cluster.api()}${path}`, present)).headers;
  const [operation] = point.split(':');
  const change = () => {
    if (operation === 'put') return put(`${server.url}${path}`, next);
    return del(`${server.url}${path}${operation === 'delete' ? '' : `?version=${String(version)}`}`);
  };
  await expect(change()).rejects.toThrow();
  await server.exit();

  const wanted = { put: next, delete: undefined, 'delete-version': older }[String(operation)];
  const isCommitted = point.endsWith(':committed');
  for (const api of cluster.apis) {
    expectState(point, await get(`${api.url}${path}`), isCommitted ? wanted : present);
  }
  expect((await put(`${cluster.api(1)}${path}`, next)).status).toBe(200);
  expectState(point, await get(`${cluster.api(0)}${path}`), next);
}

function expectState(point: CrashPoint, read: Answer, body: Buffer | undefined): void {
  if (body === undefined) expect([point, read.status]).toEqual([point, 404]);
  else expect([point, read.status, read.body.equals(body)]).toEqual([point, 200, true]);
}
