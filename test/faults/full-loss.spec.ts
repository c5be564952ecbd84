import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { copyFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { startBroker, type Broker } from '../../tools/broker.js';
import type { Cluster } from '../harness/cluster.js';
import { startFullCluster } from '../harness/full-cluster.js';
import { get, put } from '../harness/http.js';
import { it } from '../harness/it.js';
import { KnownObjects } from '../harness/known-objects.js';
import { SeededRandom } from '../harness/seeded-random.js';
import { endAllServers, type ServerProcess } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';
import { damageShards, largeShardFiles } from './damage-shards.js';
import { disjointPairs, LARGE_BYTES, loseAnyTwo, SMALL_BYTES } from './lose-any-two.js';

/** Of each size; `npm run faults:any-two` has 1000, and takes every pair. */
const OBJECTS = 100;
const HARMED = 8;
const random = new SeededRandom();
let broker: Broker;
let cluster: Cluster;

beforeAll(async () => {
  console.log(`seed ${random.seed}`);
  broker = await startBroker();
  cluster = await startFullCluster({ brokerUrl: broker.url });
});
afterAll(async () => {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
});

describe('any two of six data servers', () => {
  let objects: KnownObjects;
  beforeAll(async () => {
    objects = new KnownObjects(cluster);
    await objects.store('small', OBJECTS, SMALL_BYTES);
    await objects.store('large', OBJECTS, LARGE_BYTES);
  });

  it('killed (rows 1 and 2): every read is right, and every write that has its quorum succeeds', async () => {
    const pairs = disjointPairs(random.sample(cluster.datas, cluster.datas.length));
    const { failures, reads } = await loseAnyTwo(cluster, objects, pairs);
    expect(failures).toEqual([]);
    expect([pairs.length, reads]).toEqual([3, 3 * 2 * OBJECTS]);
  });

  const harms: [string, (files: readonly string[]) => void][] = [
    ['truncated', files => files.forEach(file => truncateSync(file, Math.floor(statSync(file).size / 2)))],
    ['emptied', files => files.forEach(file => truncateSync(file, 0))],
    ['missing', files => files.forEach(file => rmSync(file))],
    ["swapped with another's", rotate],
  ];
  for (const [what, harm] of harms) {
    it(`with shards ${what} (row 13): every read is right, and the shortfall is recorded`, async () => {
      const servers = random.sample(cluster.datas, 2);
      const before = servers.map(server => new Set(largeShardFiles(server)));
      const fresh = new KnownObjects(cluster);
      await fresh.store(`harmed-${harms.findIndex(([name]) => name === what)}`, HARMED, LARGE_BYTES);
      const queued = await queuedRepairs();
      for (const [index, server] of servers.entries()) {
        const files = largeShardFiles(server).filter(file => before[index]?.has(file) !== true);
        expect(files.length).toBeGreaterThanOrEqual(HARMED);
        harm(files);
      }
      // Reading takes four of six shards, so that each object meets one of the harmed only by chance.
      await readUntilRecorded(fresh, queued + 1);
      for (const server of servers) await server.restart();
      await cluster.ready();
      expect(await fresh.compare()).toEqual([]);
    });
  }

  it('with flipped bits (row 11): no wrong byte, and the shortfall is recorded', async () => {
    const servers = random.sample(cluster.datas, 2);
    const queued = await queuedRepairs();
    for (const server of servers) expect(damageShards(server, random)).toBeGreaterThan(OBJECTS);
    await readUntilRecorded(objects, queued + OBJECTS / 2);
    await restartFrom(servers, random);
    expect(await objects.compare()).toEqual([]);
  });

  it('and then all of them with flipped bits (row 12): an error or a broken connection, never data, and marked lost', async () => {
    const bodies = [SMALL_BYTES, LARGE_BYTES].map(size => randomBytes(size));
    for (const [index, body] of bodies.entries()) await put(`${cluster.api()}/objects/lost-${index}`, body);
    for (const server of cluster.datas) damageShards(server, random);
    let refused = 0;
    for (const name of objects.digests.keys()) {
      const read = await get(`${cluster.api()}/objects/${name}`).catch(() => undefined);
      if (read?.status === 200) expect([name, objects.isRight(name, read.body)]).toEqual([name, true]);
      else refused++;
    }
    expect(refused).toBeGreaterThan(OBJECTS);
    for (const server of [...cluster.datas, ...cluster.apis]) expect(server.isRunning).toBe(true);
    expect((await put(`${cluster.api()}/objects/large-0`, 'again')).status).toBe(200);
    expect((await get(`${cluster.api(1)}/objects/large-0`)).body.toString()).toBe('again');
    for (const [index, body] of bodies.entries()) await storedAnew(`lost-${index}`, body);
  });
});

/** The bits rot on while the servers are down. */
async function restartFrom(servers: readonly ServerProcess[], choices: SeededRandom): Promise<void> {
  for (const server of servers) {
    await server.stop();
    damageShards(server, choices);
    server.start();
  }
  await cluster.ready();
}

function rotate(files: readonly string[]): void {
  const [first = ''] = files;
  copyFileSync(first, `${first}.swap`);
  for (const [index, file] of files.entries()) renameSync(files[index + 1] ?? `${first}.swap`, file);
}

/** Content that is marked lost is nothing to refer to: who brings it again makes it whole. Until then he would be told that it is there. */
async function storedAnew(name: string, body: Buffer): Promise<void> {
  const whole = await readsRight(name, body);
  expect(whole).toBe(false);
  await waitUntil(`what was ${name} is stored anew`, 30_000, async () => {
    expect((await put(`${cluster.api()}/objects/${name}-again`, body)).status).toBe(200);
    return readsRight(`${name}-again`, body);
  });
  expect(await readsRight(name, body)).toBe(false);
}

async function readsRight(name: string, body: Buffer): Promise<boolean> {
  const read = await get(`${cluster.api(1)}/objects/${name}`).catch(() => undefined);
  if (read?.status === 200) expect(read.body.equals(body)).toBe(true);
  return read?.status === 200;
}

async function queuedRepairs(): Promise<number> {
  const stats = await get(`${cluster.api()}/stats`);
  return (JSON.parse(stats.body.toString()) as { queuedRepairs: number }).queuedRepairs;
}

/** Every read is right. Again and again, since a server that was slow for a moment is asked last for 5 s. */
async function readUntilRecorded(objects: KnownObjects, atLeast: number): Promise<void> {
  const wrong: string[] = [];
  await waitUntil(`${atLeast} repairs are queued`, 30_000, async () => {
    wrong.push(...(await objects.compare()));
    return wrong.length > 0 || (await queuedRepairs()) >= atLeast;
  });
  expect(wrong).toEqual([]);
}
