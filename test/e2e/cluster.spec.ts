import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { startBroker, type Broker } from '../../tools/broker.js';
import { Cluster } from '../harness/cluster.js';
import { del, get, problemCode, put, request } from '../harness/http.js';
import { it } from '../harness/it.js';
import { loopback } from '../harness/lane.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { establishedConnectionsTo } from '../harness/tcp.js';
import { waitUntil } from '../harness/wait-until.js';
import { describeObjectApi, MAX_BYTES } from './object-api.js';

const PORT = 12_345;
let broker: Broker;
let cluster: Cluster;

beforeAll(async () => {
  broker = await startBroker();
  cluster = await Cluster.start({
    brokerUrl: broker.url,
    port: PORT,
    env: { MAX_OBJECT_SIZE_BYTES: String(MAX_BYTES) },
  });
});

afterAll(async () => {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
});

describeObjectApi('plain cluster', async () => ({ url: cluster.api(), stop: async () => undefined }));

describe('a plain cluster of two API servers and six data servers', () => {
  it('takes the flow of the protocol with nothing but curl', async () => {
    const stored = await curl('-v', `${loopback('2.2')}:${PORT}/objects/test2`, '-XPUT', '-d', 'this is object test2');
    expect(stored.stderr).toMatch(/< HTTP\/1\.1 200 OK/);
    expect(stored.stderr).toMatch(/< Content-Length: 0/i);
    expect(stored.stdout).toBe('');
    expect((await curl(`${loopback('2.1')}:${PORT}/objects/test2`)).stdout).toBe('this is object test2');
    const located = (await curl(`${loopback('2.2')}:${PORT}/locate/test2`)).stdout;
    expect([1, 2, 3, 4, 5, 6].map(host => `"${loopback(`1.${host}`)}:12345"`)).toContain(located);
    expect((await curl(`${located.slice(1, -1)}/objects/test2`)).stdout).toBe('this is object test2');
  });

  it('spreads names over all data servers, and both API servers agree where', async () => {
    const names = Array.from({ length: 120 }, (_, index) => `spread-${index}`);
    for (const name of names) await put(`${cluster.api(0)}/objects/${name}`, name);
    const homes = new Map<string, number>();
    for (const name of names) {
      const holders = await cluster.holders(name);
      expect([name, holders.length]).toEqual([name, 1]);
      homes.set(holders[0] ?? '', (homes.get(holders[0] ?? '') ?? 0) + 1);
      expect((await get(`${cluster.api(1)}/objects/${name}`)).body.toString()).toBe(name);
    }
    expect(homes.size).toBe(6);
    expect(Math.max(...homes.values())).toBeLessThan(60);
  });

  it('keeps one current copy: after each overwrite every API server returns the newest', async () => {
    for (let version = 0; version < 60; version++) {
      const stored = await put(`${cluster.api(version)}/objects/overwritten`, `version ${version}`);
      expect(stored.status).toBe(200);
      const reads = await Promise.all([0, 1].map(index => get(`${cluster.api(index)}/objects/overwritten`)));
      expect(reads.map(read => read.body.toString())).toEqual([`version ${version}`, `version ${version}`]);
    }
    expect(await cluster.holders('overwritten')).toHaveLength(1);
  });

  it('deletes at one API server for all', async () => {
    await put(`${cluster.api(0)}/objects/deleted`, 'x');
    expect((await del(`${cluster.api(1)}/objects/deleted`)).status).toBe(204);
    for (const index of [0, 1]) expect((await get(`${cluster.api(index)}/objects/deleted`)).status).toBe(404);
    expect(await cluster.holders('deleted')).toEqual([]);
  });

  it('answers a miss as soon as all have said no, not after a second', async () => {
    const misses: number[] = [];
    for (let index = 0; index < 20; index++) {
      const miss = await get(`${cluster.api(index)}/objects/missing-${index}`);
      expect([miss.status, problemCode(miss)]).toEqual([404, 'object-not-found']);
      misses.push(miss.ms);
    }
    expect(misses.toSorted((a, b) => a - b)[10]).toBeLessThan(500);
  });

  it('locates an object that is not where a GET would look first', async () => {
    const home = await homeOf('stray');
    const stray = cluster.datas.find(data => data.address !== home);
    await put(`${stray?.url}/objects/stray`, 'put straight to a data server');
    const read = await get(`${cluster.api()}/objects/stray`);
    expect([read.status, read.body.toString()]).toEqual([200, 'put straight to a data server']);
    await waitUntil('it is home', 15_000, async () => (await cluster.holders('stray')).join() === home);
    expect((await get(`${cluster.api(1)}/objects/stray`)).body.toString()).toBe('put straight to a data server');
  });

  it('locate says where, as one JSON string; ?all says everywhere', async () => {
    await put(`${cluster.api()}/objects/located%2Fhere`, 'x');
    const one = await get(`${cluster.api(1)}/locate/located/here`);
    expect(one.status).toBe(200);
    expect(one.headers['content-type']).toMatch(/^application\/json/);
    const address: unknown = JSON.parse(one.body.toString());
    expect(cluster.datas.map(data => data.address)).toContain(address);
    expect(await cluster.holders('located/here')).toEqual([address]);
    const missing = await get(`${cluster.api()}/locate/missing`);
    expect([missing.status, problemCode(missing)]).toEqual([404, 'object-not-found']);
    const missingAll = await get(`${cluster.api()}/locate/missing?all`);
    expect([missingAll.status, problemCode(missingAll)]).toEqual([404, 'object-not-found']);
    expect((await request(`${cluster.api()}/locate/x`, { method: 'PUT' })).status).toBe(405);
    expect((await get(`${cluster.api()}/locate/%00`)).status).toBe(400);
  });

  it('shows its view', async () => {
    for (const index of [0, 1]) {
      const view = await cluster.view(cluster.api(index));
      expect(new Set(view.map(server => server.address))).toEqual(new Set(cluster.datas.map(data => data.address)));
      for (const server of view) {
        expect(server).toMatchObject({ kind: 'granary', state: 'ready', id: expect.any(String) });
        expect(server.lastBeatAgeMs).toBeLessThan(10_000);
        expect(server.capacityBytes).toBeGreaterThan(0);
        expect(server.usedBytes).toBeGreaterThanOrEqual(0);
      }
    }
  });

  it('sends no message for PUT and GET in the steady state, and opens no connection to the broker', async () => {
    const port = Number(new URL(broker.url).port);
    const before = establishedConnectionsTo(port);
    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        await put(`${cluster.api(index)}/objects/steady-${index}`, 'x');
        await get(`${cluster.api(index + 1)}/objects/steady-${index}`);
        await get(`${cluster.api(index)}/objects/steady-missing-${index}`);
        await get(`${cluster.api(index)}/locate/steady-${index}`);
      }),
    );
    expect(establishedConnectionsTo(port)).toBe(before);
  });

  it('serves an object while it goes up slowly elsewhere', async () => {
    await put(`${cluster.api()}/objects/slow`, 'old');
    const { hostname, port } = new URL(cluster.api());
    const socket = connect(Number(port), hostname);
    socket.write('PUT /objects/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n');
    socket.write(Buffer.alloc(150_000));
    expect((await get(`${cluster.api(1)}/objects/slow`)).body.toString()).toBe('old');
    const answered = new Promise<string>(resolve => socket.once('data', data => resolve(data.toString())));
    socket.write(Buffer.alloc(50_000));
    expect(await answered).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
    expect((await get(`${cluster.api(1)}/objects/slow`)).body.length).toBe(200_000);
  });

  it('a new API server serves within a second of being up', async () => {
    await put(`${cluster.api(0)}/objects/early`, 'x');
    const [second] = cluster.apis.slice(1);
    await second?.stop();
    second?.start();
    await second?.ready();
    await waitUntil('it serves', 1_000, async () => (await get(`${cluster.api(1)}/objects/early`)).status === 200);
    expect((await put(`${cluster.api(1)}/objects/early`, 'y')).status).toBe(200);
    await cluster.ready();
  });
});

/** Where the cluster puts a name by itself. */
async function homeOf(name: string): Promise<string> {
  await put(`${cluster.api()}/objects/${name}`, 'for a moment');
  const [home = ''] = await cluster.holders(name);
  await del(`${cluster.api()}/objects/${name}`);
  return home;
}

function curl(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)('curl', ['-sS', ...args]);
}
