/**
 * Row 18 in a full cluster: API servers and data servers whose clocks are an hour off, before and after the
 * database's (SQLite has the clock of whoever writes), and jump while they run. It would fail by an order of
 * versions that a clock decides, and by a server that is given up because time seems to have passed.
 */
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { startBroker, type Broker } from '../../tools/broker.js';
import { startPostgres, type Postgres } from '../../tools/postgres.js';
import type { Cluster } from '../harness/cluster.js';
import { FakeClock } from '../harness/fake-clock.js';
import { freshDatabase } from '../harness/fresh-database.js';
import { startFullCluster } from '../harness/full-cluster.js';
import { del, get, put } from '../harness/http.js';
import { it } from '../harness/it.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories, tempDirectory } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';

const HOUR = 3600;
const NAMES = 4;
/** The last is erasure-coded. */
const SIZES = [100, 100, 100, 300_000];
/** Longer than a sweep of the view takes to come. */
const BETWEEN_JUMPS_MS = 2_000;
/** An offset is told from another by this. */
const TOLERANCE_MS = 600_000;

let broker: Broker;
let postgres: Postgres;
let cluster: Cluster;
/** One for each API server, and two that the data servers share. */
let apiClocks: FakeClock[];
let dataClocks: FakeClock[];

beforeAll(async () => {
  [broker, postgres] = await Promise.all([startBroker(), startPostgres()]);
  apiClocks = [await FakeClock.create(), await FakeClock.create()];
  dataClocks = [await FakeClock.create(), await FakeClock.create()];
  cluster = await startFullCluster({ brokerUrl: broker.url });
  await cluster.kill();
  for (const [index, server] of cluster.datas.entries()) server.start({ ...dataClocks[index % 2]?.env });
});
afterAll(async () => {
  await endAllServers();
  await postgres.stop();
  await broker.stop();
  removeTempDirectories();
});

describe('clocks (row 18) that are off by an hour and jump', () => {
  const databases: [string, () => Promise<string>][] = [
    ['SQLite', async () => `sqlite:${join(tempDirectory('metadata'), 'metadata.db')}`],
    ['PostgreSQL', async () => (await freshDatabase(postgres.url)).url],
  ];
  for (const [database, urlOf] of databases) {
    it(`reorder no versions and kill nobody, with metadata in ${database}`, async () => {
      setClocks(HOUR);
      await restartApis({ METADATA_URL: await urlOf() });
      const history = new History();
      for (const offset of [HOUR, -HOUR, 0]) {
        setClocks(offset);
        await everyoneGoesBy(offset);
        const until = performance.now() + BETWEEN_JUMPS_MS;
        while (performance.now() < until) {
          await history.overwriteAll();
          await nobodyIsMissing();
        }
      }
      await cluster.ready();
      setClocks(-HOUR);
      await history.removeAll();
      await history.compare();
    });
  }
});

/** Half of the servers go ahead of the database's host, half behind; those of each kind differ by two hours. */
function setClocks(offset: number): void {
  for (const [ahead, behind] of [apiClocks, dataClocks]) {
    ahead?.set(offset);
    behind?.set(-offset);
  }
}

/** By the Date of their answers. */
async function everyoneGoesBy(offset: number): Promise<void> {
  for (const servers of [cluster.apis, cluster.datas]) {
    for (const [index, { url }] of servers.entries()) {
      const expectedMs = (index % 2 === 0 ? offset : -offset) * 1000;
      await waitUntil(`${url} is ${expectedMs} ms ahead`, 30_000, async () => {
        const { headers } = await get(`${url}/health/live`);
        return Math.abs(Date.parse(headers.date ?? '') - Date.now() - expectedMs) < TOLERANCE_MS;
      });
    }
  }
}

async function restartApis(env: Record<string, string>): Promise<void> {
  for (const [index, server] of cluster.apis.entries()) {
    await server.kill();
    server.start({ ...apiClocks[index]?.env, ...env });
  }
  await cluster.ready();
}

async function nobodyIsMissing(): Promise<void> {
  for (const api of cluster.apis) {
    const view = await cluster.view(api.url);
    expect(view.filter(({ state }) => state === 'missing')).toEqual([]);
    expect(view).toHaveLength(cluster.datas.length);
  }
}

/** Versions of some names in the order of their commits. */
class History {
  readonly #versions = Array.from({ length: NAMES }, () => [] as string[]);
  #changes = 0;

  /** Each by the API server whose turn it is, and read at both. */
  async overwriteAll(): Promise<void> {
    for (const [index, versions] of this.#versions.entries()) {
      const body = randomBytes(SIZES[index] ?? 0);
      const stored = await put(this.#nextUrl(index), body);
      expect([index, stored.status]).toEqual([index, 200]);
      versions.push(versionOf(stored.headers));
      for (const api of cluster.apis) {
        const read = await get(`${api.url}/objects/clock-${index}`);
        expect([read.status, read.body.equals(body), versionOf(read.headers)]).toEqual([200, true, versions.at(-1)]);
      }
    }
  }

  async removeAll(): Promise<void> {
    for (const [index, versions] of this.#versions.entries()) {
      const removed = await del(this.#nextUrl(index));
      expect([index, removed.status]).toEqual([index, 204]);
      versions.push(versionOf(removed.headers));
      for (const api of cluster.apis) expect((await get(`${api.url}/objects/clock-${index}`)).status).toBe(404);
    }
  }

  /** A listing has the newest first. */
  async compare(): Promise<void> {
    for (const [index, versions] of this.#versions.entries()) {
      expect(versions.length).toBeGreaterThan(3);
      for (const api of cluster.apis) {
        const listed = await versionsListed(api.url, `clock-${index}`);
        expect(listed.map(({ version }) => version)).toEqual(versions.toReversed());
        expect(listed.filter(({ current }) => current).map(({ version }) => version)).toEqual([versions.at(-1)]);
      }
    }
  }

  #nextUrl(index: number): string {
    return `${cluster.api(this.#changes++)}/objects/clock-${index}`;
  }
}

interface ListedVersion {
  version: string;
  current: boolean;
}

async function versionsListed(api: string, name: string): Promise<ListedVersion[]> {
  const listed: ListedVersion[] = [];
  let query = '';
  do {
    const page = await get(`${api}/versions/${name}${query}`);
    const { versions, cursor } = JSON.parse(page.body.toString()) as { versions: ListedVersion[]; cursor?: string };
    listed.push(...versions);
    query = cursor === undefined ? '' : `?cursor=${encodeURIComponent(cursor)}`;
  } while (query !== '');
  return listed;
}

function versionOf(headers: Record<string, unknown>): string {
  return String(headers['granary-version']);
}
