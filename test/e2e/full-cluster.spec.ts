import { afterAll, afterEach, beforeAll, describe, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBroker, type Broker } from '../../tools/broker.js';
import { startPostgres, type Postgres } from '../../tools/postgres.js';
import { largeShardFiles } from '../faults/damage-shards.js';
import { apiServer, type Cluster } from '../harness/cluster.js';
import { freshDatabase } from '../harness/fresh-database.js';
import { HOT_BLOB_CACHE, shardsOf, startFullCluster } from '../harness/full-cluster.js';
import { del, get, problemCode, put, request } from '../harness/http.js';
import { it } from '../harness/it.js';
import { endAllServers } from '../harness/server-process.js';
import { SeededRandom } from '../harness/seeded-random.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';
import { describeObjectApi, MAX_BYTES } from './object-api.js';

let broker: Broker;
beforeAll(async () => {
  broker = await startBroker();
});
afterAll(async () => {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
});

describe('a full cluster on SQLite', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    const env = { MAX_OBJECT_SIZE_BYTES: String(MAX_BYTES) };
    cluster = await startFullCluster({ brokerUrl: broker.url, env, apiEnv: HOT_BLOB_CACHE });
  });

  describeObjectApi('full cluster', async () => ({ url: cluster.api(), stop: async () => undefined }));

  it('keeps small objects in three copies and large ones in 4+2 shards, each on a server of its own', async () => {
    await put(`${cluster.api()}/objects/small`, randomBytes(1_000));
    await put(`${cluster.api()}/objects/large`, randomBytes(1_000_000));
    const [small, large] = await Promise.all(['small', 'large'].map(name => shardsOf(cluster, name)));
    expect([small?.length, large?.length]).toEqual([3, 6]);
    expect(new Set(large?.map(({ address }) => address)).size).toBe(6);
    const located = JSON.parse((await get(`${cluster.api(1)}/locate/small`)).body.toString()) as string;
    expect(small?.map(({ address }) => address)).toContain(located);
  });

  it('answers a version by its id at every API server, and lists them the newest first', async () => {
    const url = `${cluster.api()}/objects/versioned`;
    const first = (await put(url, 'first', { 'X-Meta-Colour': 'red' })).headers['granary-version'];
    const second = (await put(url, 'second', { 'Content-Language': 'de' })).headers['granary-version'];
    const marker = (await del(url)).headers['granary-version'];
    expect((await get(url)).status).toBe(404);

    const old = await get(`${cluster.api(1)}/objects/versioned?version=${String(first)}`);
    expect([old.status, old.body.toString(), old.headers['x-meta-colour']]).toEqual([200, 'first', 'red']);
    const { versions } = JSON.parse((await get(`${cluster.api(1)}/versions/versioned`)).body.toString()) as {
      versions: { version: string; deleteMarker: boolean }[];
    };
    expect(versions.map(({ version, deleteMarker }) => [version, deleteMarker])).toEqual([
      [marker, true],
      [second, false],
      [first, false],
    ]);
    expect((await del(`${url}?version=${String(marker)}`)).status).toBe(204);
    expect((await get(`${cluster.api(1)}/objects/versioned`)).body.toString()).toBe('second');
  });

  it('stores the same content once', async () => {
    const content = randomBytes(700_000);
    for (const index of [0, 1, 2]) {
      expect((await put(`${cluster.api(index)}/objects/same-${index}`, content)).status).toBe(200);
    }
    const blobs = await Promise.all([0, 1, 2].map(async index => (await shardsOf(cluster, `same-${index}`))[0]?.blob));
    expect(new Set(blobs).size).toBe(1);
    await del(`${cluster.api()}/objects/same-0`);
    expect((await get(`${cluster.api(1)}/objects/same-2`)).body.equals(content)).toBe(true);
  });

  it('lists by prefix and delimiter, in pages and in lines', async () => {
    for (const name of ['list/a', 'list/b/1', 'list/b/2', 'list/c'])
      await put(`${cluster.api()}/objects/${name}`, name);
    const page = await get(`${cluster.api(1)}/objects?prefix=list/&delimiter=/`);
    expect(JSON.parse(page.body.toString())).toMatchObject({
      objects: [{ name: 'list/a' }, { name: 'list/c' }],
      prefixes: ['list/b/'],
    });
    const lines = await get(`${cluster.api(1)}/objects?prefix=list/`, { Accept: 'application/x-ndjson' });
    expect(
      lines.body
        .toString()
        .trim()
        .split('\n')
        .map(line => (JSON.parse(line) as { name: string }).name),
    ).toEqual(['list/a', 'list/b/1', 'list/b/2', 'list/c']);
  });

  it('decides among many conditional writes through different API servers', async () => {
    const answers = await Promise.all(
      Array.from({ length: 32 }, (_, index) =>
        put(`${cluster.api(index)}/objects/only-once`, `writer ${index}`, { 'If-None-Match': '*' }),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array.from({ length: 31 }, () => 412)]);
    const winner = answers.findIndex(({ status }) => status === 200);
    for (const index of [0, 1]) {
      expect((await get(`${cluster.api(index)}/objects/only-once`)).body.toString()).toBe(`writer ${winner}`);
    }
  });

  it('keeps what it has over a restart of every server', async () => {
    const bytes = randomBytes(2_000_000);
    await put(`${cluster.api()}/objects/restarted`, bytes);
    await cluster.stop();
    for (const server of [...cluster.datas, ...cluster.apis]) server.start();
    await cluster.ready();
    expect((await get(`${cluster.api(1)}/objects/restarted`)).body.equals(bytes)).toBe(true);
  });
});

describe('a full cluster on PostgreSQL', () => {
  let postgres: Postgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.stop());
  afterEach(() => endAllServers());

  it('lets any API server read, overwrite and delete what another wrote, and one with other settings too', async () => {
    const database = await freshDatabase(postgres.url);
    const apiEnv = { METADATA_URL: database.url };
    const cluster = await startFullCluster({ brokerUrl: broker.url, apiEnv });
    const bytes = randomBytes(3_000_000);
    const stored = await put(`${cluster.api(0)}/objects/shared`, bytes);
    expect(stored.status).toBe(200);
    expect((await get(`${cluster.api(1)}/objects/shared`)).body.equals(bytes)).toBe(true);
    const range = await get(`${cluster.api(1)}/objects/shared`, { Range: 'bytes=999990-1000009' });
    expect([range.status, range.body.equals(bytes.subarray(999_990, 1_000_010))]).toEqual([206, true]);
    const stale = await put(`${cluster.api(1)}/objects/shared`, 'x', { 'If-Match': '"other"' });
    expect([stale.status, problemCode(stale)]).toEqual([412, 'precondition-failed']);

    const copies = await apiServer({ brokerUrl: broker.url, apiEnv: { ...apiEnv, REDUNDANCY: 'copies:3' } }, 2);
    await copies.ready();
    await cluster.sees(
      copies.url,
      cluster.datas.map(({ address }) => address),
    );
    expect((await put(`${copies.url}/objects/copied`, bytes)).status).toBe(200);
    expect(await shardsOf(cluster, 'copied')).toHaveLength(3);
    expect((await get(`${copies.url}/objects/shared`)).body.equals(bytes)).toBe(true);
    expect((await del(`${cluster.api(0)}/objects/shared`)).status).toBe(204);
    expect((await get(`${copies.url}/objects/shared`)).status).toBe(404);
    const ready = await request(`${copies.url}/health/ready`);
    expect(JSON.parse(ready.body.toString())).toMatchObject({ status: 'ok' });
  });

  // Row 34. Contents come back just as their blobs are freed, a second after nothing refers to them: a PUT that
  // relied on a blob whose shards the sweep takes would be acknowledged, and not be read back.
  it('frees what nothing refers to, and never what a PUT of the same content was acknowledged for', async () => {
    const database = await freshDatabase(postgres.url);
    const apiEnv = { METADATA_URL: database.url, BLOB_GRACE_SECONDS: '1' };
    const cluster = await startFullCluster({ brokerUrl: broker.url, apiEnv });
    const random = new SeededRandom();
    let refused = 0;
    const acknowledged = (index: number, content: Buffer) =>
      Promise.all(
        [0, 1].map(async api => {
          const name = `freed-${index}-${api}`;
          refused += await putUntilTaken(`${cluster.api(api)}/objects/${name}`, content);
          const read = await get(`${cluster.api(api + 1)}/objects/${name}`);
          expect([name, read.status, read.body.equals(content)]).toEqual([name, 200, true]);
          return name;
        }),
      );
    const lastOf = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const content = randomBytes(200_000 + index);
        // Whether a sweep comes while nobody has a content is luck.
        for (let round = 0; round < 6 || (round < 30 && (await freedBlobs(cluster)) === 0); round += 1) {
          await removeVersions(cluster, await acknowledged(index, content));
          await sleep(700 + random.below(1_800));
        }
        return { content, names: await acknowledged(index, content) };
      }),
    );
    expect(await freedBlobs(cluster)).toBeGreaterThan(0);
    await sleep(4_000);
    for (const [index, { content, names }] of lastOf.entries()) {
      for (const name of names) {
        const { status, body } = await get(`${cluster.api(index)}/objects/${name}`);
        expect([name, random.seed, status, body.equals(content)]).toEqual([name, random.seed, 200, true]);
      }
    }

    await waitUntil('nothing is stored any more', 60_000, async () => {
      for (const { names } of lastOf) await removeVersions(cluster, names);
      const { total } = JSON.parse((await get(`${cluster.api()}/stats`)).body.toString()) as {
        total: Record<string, number>;
      };
      const files = cluster.datas.flatMap(largeShardFiles);
      // A PUT that was refused since nobody could tell whether it was committed leaves its shards (docs/durability.md).
      return files.length <= refused * SHARDS && Object.values(total).every(sum => sum === 0);
    });
  });
});

/** Of a blob that is 4+2. */
const SHARDS = 6;

/** A busy machine may refuse a PUT, 503: then it was not acknowledged, and is tried again. Resolves to how often that was. */
async function putUntilTaken(url: string, content: Buffer): Promise<number> {
  for (let refused = 0; ; refused += 1) {
    const { status, body } = await put(url, content);
    if (status === 200) return refused;
    if (status !== 503 || refused === 10) throw new Error(`PUT ${url}: ${status} ${body.toString()}`);
  }
}

async function removeVersions(cluster: Cluster, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const listed = await get(`${cluster.api()}/versions/${name}`);
    if (listed.status === 404) continue;
    const { versions } = JSON.parse(listed.body.toString()) as { versions: { version: string }[] };
    for (const { version } of versions) await del(`${cluster.api()}/objects/${name}?version=${version}`);
  }
}

async function freedBlobs(cluster: Cluster): Promise<number> {
  const texts = await Promise.all([0, 1].map(async api => (await get(`${cluster.api(api)}/metrics`)).body.toString()));
  return texts.reduce((sum, text) => sum + Number(/^granary_blobs_freed_total (\d+)/m.exec(text)?.[1] ?? 0), 0);
}
