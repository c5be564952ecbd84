import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { startBroker, type Broker } from '../../tools/broker.js';
import { saysThatItIsFull, type Cluster } from '../harness/cluster.js';
import { shardsOf, startFullCluster } from '../harness/full-cluster.js';
import { del, get, problemCode, put } from '../harness/http.js';
import { injectFaults } from '../harness/inject-faults.js';
import { it } from '../harness/it.js';
import { KnownObjects } from '../harness/known-objects.js';
import { loadFor, writeAndRead } from '../harness/load.js';
import { mountTmpfs, unmountAll } from '../harness/mounts.js';
import { openDescriptors } from '../harness/processes.js';
import { endAllServers, type ServerProcess } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { requireTool } from '../harness/tools.js';
import { waitUntil } from '../harness/wait-until.js';

const MIB = 1024 * 1024;
const SIZES = [1_000, 1_000_000];
/** What a ballast leaves is less than MIN_FREE_BYTES. */
const LEFT_BYTES = 4 * MIB;

/** What a server may still open before it has too many. */
const SPARE_DESCRIPTORS = 8;
const UNLIMITED_DESCRIPTORS = 4_096;
/** How soon a client comes back that found no descriptor. */
const RETURNS_AFTER_MS = 5;

let broker: Broker;
let cluster: Cluster;
/** The disk of each data server. */
let disks: string[];

beforeAll(async () => {
  broker = await startBroker();
  disks = Array.from({ length: 6 }, () => mountTmpfs('size=96m'));
  cluster = await startFullCluster({
    brokerUrl: broker.url,
    env: { MIN_FREE_BYTES: '8MiB' },
    directories: disks.map(disk => join(disk, 'store')),
  });
});
afterAll(async () => {
  await endAllServers();
  await broker.stop();
  unmountAll();
  removeTempDirectories();
});

describe('a disk that fails under one of six servers', () => {
  // Positional reads and writes are those of files; sockets have none.
  const faults: [string, string][] = [
    ['fsync (row 10)', 'fsync,fdatasync:error=EIO'],
    ['write (row 10)', 'pwrite64,pwritev,pwritev2:error=EIO'],
    ['rename (row 10)', 'rename,renameat,renameat2,link,linkat:error=EIO'],
    ['read (row 11)', 'pread64,preadv,preadv2:error=EIO'],
  ];
  for (const [what, inject] of faults) {
    it(`at ${what}: every PUT has its quorum, every GET is right`, async () => {
      const before = new KnownObjects(cluster);
      for (const size of SIZES) await before.store(`${inject.slice(0, 5)}-${size}`, 6, size);
      const bodies = Array.from({ length: 12 }, (_, index) => randomBytes(SIZES[index % 2] ?? 0));
      const url = (index: number) => `${cluster.api(index)}/objects/during-${inject.slice(0, 5)}-${index}`;
      const detach = await injectFaults(cluster.data(0), inject);
      try {
        for (const [index, body] of bodies.entries()) expect((await put(url(index), body)).status).toBe(200);
        expect(await before.compare()).toEqual([]);
      } finally {
        await detach();
      }
      for (const [index, body] of bodies.entries()) expect((await get(url(index))).body.equals(body)).toBe(true);
      expect(await before.compare()).toEqual([]);
      expect(cluster.data(0).isRunning).toBe(true);
    });
  }
});

describe('disks that are full', () => {
  it('one (row 8): no client fails, and the view says which server is read-only and why', async () => {
    const objects = new KnownObjects(cluster);
    for (const size of SIZES) await objects.store(`before-${size}`, 10, size);
    fill(0);
    const load = writeAndRead('one-full', serial => cluster.api(serial));
    expect((await loadFor(6_000, load)).failures).toEqual([]);
    await saysThatItIsFull(cluster.api(), cluster.data(0).address);
    expect((await put(`${cluster.api()}/objects/one-full-large`, randomBytes(MIB))).status).toBe(200);
    expect(await objects.compare()).toEqual([]);
    empty(0);
    await cluster.ready(15_000);
  });

  it('all (row 9): 507, nothing partial; GET and DELETE work; PUTs work within 5 s of space', async () => {
    const objects = new KnownObjects(cluster);
    for (const size of SIZES) await objects.store(`kept-${size}`, 5, size);
    await put(`${cluster.api()}/objects/deleted`, 'x');
    for (const index of disks.keys()) fill(index);
    await waitUntil('every server is read-only', 15_000, async () =>
      (await cluster.view()).filter(({ kind }) => kind === 'granary').every(({ state }) => state === 'read-only'),
    );
    for (const size of SIZES) {
      for (const name of ['refused', `kept-${size}-0`]) {
        const refused = await put(`${cluster.api()}/objects/${name}`, randomBytes(size));
        expect([name, refused.status, problemCode(refused)]).toEqual([name, 507, 'storage-full']);
      }
    }
    expect((await get(`${cluster.api(1)}/objects/refused`)).status).toBe(404);
    expect(await objects.compare()).toEqual([]);
    expect((await del(`${cluster.api()}/objects/deleted`)).status).toBe(204);
    for (const index of disks.keys()) empty(index);
    const healedMs = await waitUntil('PUTs work again', 10_000, async () => {
      const stored = await Promise.all(
        SIZES.map(size => put(`${cluster.api()}/objects/healed-${size}`, randomBytes(size))),
      );
      return stored.every(({ status }) => status === 200);
    });
    expect(healedMs).toBeLessThan(5_500);
  });
});

describe('descriptors exhausted (row 17)', () => {
  it('at a data server: every PUT has its quorum, every GET is right, then it takes shards again', async () => {
    const before = new KnownObjects(cluster);
    for (const size of SIZES) await before.store(`data-descriptors-${size}`, 5, size);
    const release = await exhaustDescriptors(cluster.data(1));
    const during = await acknowledged('at-data', 12);
    expect(during.refused).toEqual([]);
    // With six servers each has a shard of everything large, or had no descriptor for it.
    expect(await withoutShardAt(cluster.data(1), during.stored.keys())).not.toEqual([]);
    expect(await before.compare()).toEqual([]);
    expect(await wrongOf(during.stored)).toEqual([]);
    await release();
    // All shards of each, so that the server has its own again.
    for (const size of SIZES) await before.store(`data-descriptors-after-${size}`, 5, size);
    expect(await before.compare()).toEqual([]);
    expect(await wrongOf(during.stored)).toEqual([]);
    expect(cluster.data(1).isRunning).toBe(true);
  });

  it('at an API server: 503 or a closed connection there, all well at the other, then it recovers', async () => {
    const before = new KnownObjects(cluster);
    for (const size of SIZES) await before.store(`api-descriptors-${size}`, 5, size);
    const release = await exhaustDescriptors(cluster.apis[0]);
    const during = await acknowledged('at-api', 12);
    expect(during.refused.filter(refusal => !['at 0: no answer', 'at 0: 503'].includes(refusal))).toEqual([]);
    expect(during.refused).not.toEqual([]);
    await release();
    // Without descriptors it reached no data server either, and has to ask each again before it gives it shards.
    await cluster.ready(30_000);
    expect(await before.compare()).toEqual([]);
    expect(await wrongOf(during.stored)).toEqual([]);
    const after = await acknowledged('at-api-after', 12);
    expect([after.refused, after.stored.size]).toEqual([[], 12]);
    expect(cluster.apis[0]?.isRunning).toBe(true);
  });
});

describe('an object of no bytes (row 37)', () => {
  it('needs no data server at all', async () => {
    expect((await put(`${cluster.api()}/objects/empty`, '')).status).toBe(200);
    await Promise.all(cluster.datas.map(server => server.kill()));
    const read = await get(`${cluster.api(1)}/objects/empty`);
    expect([read.status, read.body.length, read.headers['content-length']]).toEqual([200, 0, '0']);
  });
});

/** Clients take every descriptor that the server may still have, and hold on. Resolves to how to end it. */
async function exhaustDescriptors(server: ServerProcess | undefined): Promise<() => Promise<void>> {
  if (server === undefined) throw new Error('the cluster has no such server');
  const prlimit = await requireTool('prlimit');
  const limit = (count: number | string) => execFileSync(prlimit, [`--pid=${server.pid}`, `--nofile=${count}`]);
  const [host = '', port] = server.address.split(':');
  const most = openDescriptors(server.pid) + SPARE_DESCRIPTORS;
  limit(`${most}:`);
  const clients = new Set<Socket>();
  let ended = false;
  const press = () => {
    if (ended) return;
    const client = connect(Number(port), host);
    clients.add(client);
    client.on('error', () => undefined);
    client.on('close', () => {
      clients.delete(client);
      // Whoever is turned away comes back, for the server may close a descriptor of its own at any time.
      setTimeout(press, RETURNS_AFTER_MS);
    });
  };
  for (let index = 0; index < 2 * SPARE_DESCRIPTORS; index++) press();
  await waitUntil('no descriptor is left', 30_000, () => openDescriptors(server.pid) >= most);
  return async () => {
    ended = true;
    for (const client of clients) client.destroy();
    limit(`${UNLIMITED_DESCRIPTORS}:`);
  };
}

/** Of so many PUTs at both API servers, half of them large. */
async function acknowledged(
  prefix: string,
  count: number,
): Promise<{ stored: Map<string, Buffer>; refused: string[] }> {
  const stored = new Map<string, Buffer>();
  const refused: string[] = [];
  for (let index = 0; index < count; index++) {
    const name = `${prefix}-${index}`;
    // Each API server gets both sizes.
    const body = randomBytes(SIZES[Math.floor(index / 2) % 2] ?? 0);
    const answer = await put(`${cluster.api(index)}/objects/${name}`, body).catch(() => undefined);
    if (answer?.status === 200) stored.set(name, body);
    else refused.push(`at ${index % 2}: ${answer?.status ?? 'no answer'}`);
  }
  return { stored, refused };
}

/** Large objects of which the server has no shard. */
async function withoutShardAt({ address }: ServerProcess, names: Iterable<string>): Promise<string[]> {
  const lacking: string[] = [];
  for (const name of names) {
    const shards = await shardsOf(cluster, name);
    if (shards.length === cluster.datas.length && shards.every(shard => shard.address !== address)) lacking.push(name);
  }
  return lacking;
}

/** By the second API server. */
async function wrongOf(stored: ReadonlyMap<string, Buffer>): Promise<string[]> {
  const wrong: string[] = [];
  for (const [name, body] of stored) {
    const read = await get(`${cluster.api(1)}/objects/${name}`);
    if (read.status !== 200 || !read.body.equals(body)) wrong.push(`${name}: ${read.status}`);
  }
  return wrong;
}

function fill(index: number): void {
  const disk = disks[index] ?? '';
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(join(disk, 'ballast'), Buffer.alloc(Math.max(0, bavail * bsize - LEFT_BYTES)));
}

function empty(index: number): void {
  rmSync(join(disks[index] ?? '', 'ballast'));
}
