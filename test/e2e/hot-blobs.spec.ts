/**
 * Small objects that an API server keeps in memory: which version is current is still for the database to
 * say, at every request. The other full clusters of these tests run without it (`startFullCluster`).
 */
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { startBroker, type Broker } from '../../tools/broker.js';
import type { Cluster } from '../harness/cluster.js';
import { HOT_BLOB_CACHE, startFullCluster } from '../harness/full-cluster.js';
import { del, get, problemCode, put, request } from '../harness/http.js';
import { it } from '../harness/it.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';

let broker: Broker;
let cluster: Cluster;
beforeAll(async () => {
  broker = await startBroker();
  cluster = await startFullCluster({ brokerUrl: broker.url, dataServers: 3, apiEnv: HOT_BLOB_CACHE });
});
afterAll(async () => {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
});

const urlOf = (name: string, api = 0): string => `${cluster.api(api)}/objects/${name}`;

/** GETs twice at each API server: the second is from memory. */
async function warm(name: string, content: Buffer): Promise<void> {
  for (const api of [0, 0, 1, 1]) {
    const before = await metrics(api);
    const { status, body } = await get(urlOf(name, api));
    expect([status, body.equals(content)]).toEqual([200, true]);
    const after = await metrics(api);
    expect(after.hits + after.misses).toBe(before.hits + before.misses + 1);
  }
  const before = await metrics(0);
  await get(urlOf(name));
  expect((await metrics(0)).hits).toBe(before.hits + 1);
}

describe('small objects in memory', () => {
  it('are counted: hits, misses, bytes', async () => {
    const before = await metrics(0);
    await put(urlOf('counted'), randomBytes(1_000));
    for (let turn = 0; turn < 3; turn += 1) await get(urlOf('counted'));
    await request(urlOf('counted'), { method: 'HEAD' });
    const after = await metrics(0);
    expect([after.hits - before.hits, after.misses - before.misses]).toEqual([2, 1]);
    expect(after.bytes - before.bytes).toBeGreaterThan(1_000);
  });

  it('are never answered after they were overwritten or deleted, through any API server', async () => {
    const name = 'changing';
    for (const writer of [0, 1, 0, 1]) {
      const content = randomBytes(3_000);
      expect((await put(urlOf(name, writer), content)).status).toBe(200);
      await warm(name, content);
    }
    expect((await del(urlOf(name, 1))).status).toBe(204);
    for (const api of [0, 1]) expect((await get(urlOf(name, api))).status).toBe(404);
    const back = randomBytes(3_000);
    expect((await put(urlOf(name), back)).status).toBe(200);
    await warm(name, back);
  });

  it('are answered by the version that is asked for, and not after that was deleted', async () => {
    const [old, current] = [randomBytes(2_000), randomBytes(2_000)];
    const version = String((await put(urlOf('versions'), old)).headers['granary-version']);
    await warm('versions', old);
    await put(urlOf('versions', 1), current);
    await warm('versions', current);
    expect((await get(`${urlOf('versions')}?version=${version}`)).body.equals(old)).toBe(true);
    expect((await del(`${urlOf('versions', 1)}?version=${version}`)).status).toBe(204);
    expect((await get(`${urlOf('versions')}?version=${version}`)).status).toBe(404);
  });

  // The last: it kills the data servers.
  it('are answered while every data server is dead, in ranges too, by the API server that read them', async () => {
    const [read, unread] = [randomBytes(60_000), randomBytes(60_000)];
    await put(urlOf('read'), read);
    await put(urlOf('unread'), unread);
    expect((await get(urlOf('read'))).body.equals(read)).toBe(true);
    await Promise.all(cluster.datas.map(server => server.kill()));

    const whole = await get(urlOf('read'));
    expect([whole.status, whole.body.equals(read)]).toEqual([200, true]);
    const part = await get(urlOf('read'), { Range: 'bytes=1000-1999' });
    expect([part.status, part.body.equals(read.subarray(1_000, 2_000))]).toEqual([206, true]);
    for (const url of [urlOf('unread'), urlOf('read', 1)]) {
      const answer = await get(url);
      expect([answer.status, problemCode(answer)]).toEqual([503, 'data-server-unavailable']);
    }
    expect((await del(urlOf('read', 1))).status).toBe(204);
    expect((await get(urlOf('read'))).status).toBe(404);
  });
});

async function metrics(api: number): Promise<{ hits: number; misses: number; bytes: number }> {
  const text = (await get(`${cluster.api(api)}/metrics`)).body.toString();
  const read = (name: string): number => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN);
  return {
    hits: read('granary_hot_blob_hits_total'),
    misses: read('granary_hot_blob_misses_total'),
    bytes: read('granary_hot_blob_bytes'),
  };
}
