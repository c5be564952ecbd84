/**
 * Row 30 with PostgreSQL: killed, restarted, hung, its connections used up, locked, and the answer to a
 * COMMIT lost. Every operation must answer within 2 s, the store be right within 5 s of the database, no
 * acknowledged commit be missing and none be there twice. It would fail by an operation that hangs, by an
 * unhandled error of an idle connection, or by a retry that commits again.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { toObjectName } from '#contracts';
import { NATIVE_BUCKET, type CommitPutRequest, type CommitPutResult, type MetadataStore } from '#metadata';
import { openPostgresMetadata } from '#metadata/postgres';
import { putRequest } from '#metadata/testing';
import { ownPostgres, type Postgres } from '../../tools/postgres.js';
import { waitUntil } from '../harness/wait-until.js';
import { MetadataLoad, versionsUnder } from './metadata-load.js';

/** The deadline, and what a busy machine adds to a timer. */
const ANSWER_MS = 2500;
/** Less is no reason to give up: a statement's own time is shorter than the deadline. */
const GIVEN_UP_MS = 1400;
const RECOVERY_MS = 5000;

let server: Postgres;
let store: MetadataStore;

beforeAll(async () => {
  server = await ownPostgres();
  store = await openPostgresMetadata({ url: server.url });
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

describe('metadata in PostgreSQL (row 30), when the database', () => {
  it('is killed, and comes back', () =>
    survives('killed', {}, async () => {
      await server.kill();
      await sleep(3000);
      await server.restart();
    }));

  it('is shut down, and started', () => survives('restarted', {}, () => server.restart()));

  it('hangs, and goes on', () =>
    survives('hung', {}, async () => {
      await server.pause();
      await sleep(5000);
      await server.resume();
    }));

  it('is locked by somebody, and every connection of the pool waits', () =>
    survives('locked', { workers: 40 }, async () => {
      const stranger = new pg.Client({ connectionString: server.url });
      await stranger.connect();
      await stranger.query('begin');
      await stranger.query('lock table objects in access exclusive mode');
      await sleep(4000);
      await stranger.end();
    }));

  it('has no connection left for one that starts', async () => {
    const strangers = await useUpConnections();
    const late = await openLate();
    try {
      // The strangers live in this process too.
      await survives('exhausted', { longestBlockMs: 1000 }, async () => {
        await sleep(3000);
        await Promise.all(strangers.map(stranger => stranger.end()));
      });
    } finally {
      await late?.close();
    }
  });

  it('answers a COMMIT that nobody hears', async () => {
    const proxy = await DeafProxy.start(new URL(server.url));
    const beyond = await openPostgresMetadata({ url: proxy.url });
    try {
      proxy.dropNextCommits = 3;
      const requests = Array.from({ length: 6 }, (_, index) =>
        putRequest(NATIVE_BUCKET, toObjectName(`deaf/${index}`), `deaf ${index}`, {
          precondition: { ifNoneMatch: '*' },
        }),
      );
      const results = await Promise.all(requests.map(request => commit(beyond, request)));
      expect(proxy.dropNextCommits).toBe(0);
      expect([...(await versionsUnder(store, 'deaf/')).values()]).toEqual(results.map(() => 1));
      expect(await Promise.all(requests.map(request => commit(store, request)))).toEqual(results);
    } finally {
      await beyond.close();
      await proxy.stop();
    }
  });
});

/** Sent once more, under its id, only when it took all the time there is: a disk may take as long for one sync. */
async function commit(to: MetadataStore, request: CommitPutRequest): Promise<CommitPutResult> {
  for (;;) {
    const startedMs = performance.now();
    try {
      return await to.commitPut(request);
    } catch (error) {
      if (performance.now() - startedMs < GIVEN_UP_MS) throw error;
    }
  }
}

interface SurvivalOptions {
  workers?: number;
  longestBlockMs?: number;
}

/** A load goes on while the fault comes and goes. */
async function survives(
  name: string,
  { workers = 8, longestBlockMs = 100 }: SurvivalOptions,
  fault: () => Promise<void>,
): Promise<void> {
  const load = new MetadataLoad(store, name, workers);
  try {
    await waitUntil('the load has begun', 30_000, () => load.result.acknowledged.size > 50);
    await fault();
    const endedMs = performance.now();
    await waitUntil('commits are acknowledged again', RECOVERY_MS, () => load.acknowledgedAtMs > endedMs);
    await sleep(500);
  } finally {
    await load.stop();
  }
  const { acknowledged, errors, slowestMs } = load.result;
  for (const code of errors.keys()) expect(code).toBe('metadata-unavailable');
  expect(slowestMs).toBeLessThan(ANSWER_MS);
  expect(load.longestBlockMs).toBeLessThan(longestBlockMs);
  const versions = await versionsUnder(store, `${name}/`);
  expect([...acknowledged].filter(key => !versions.has(key))).toEqual([]);
  expect([...versions].filter(([, count]) => count !== 1)).toEqual([]);
}

async function useUpConnections(): Promise<pg.Client[]> {
  const strangers: pg.Client[] = [];
  for (;;) {
    const stranger = new pg.Client({ connectionString: server.url });
    stranger.on('error', () => undefined);
    const failed = await stranger.connect().then(
      () => false,
      () => true,
    );
    if (failed) return strangers;
    strangers.push(stranger);
  }
}

/** One that starts now must be refused in order. */
async function openLate(): Promise<MetadataStore | undefined> {
  const opening = openPostgresMetadata({ url: server.url });
  await expect(opening).rejects.toMatchObject({ code: 'metadata-unavailable' });
  return undefined;
}

/** Passes everything on, but breaks the connection when a COMMIT has gone to the server, before its answer. */
class DeafProxy {
  dropNextCommits = 0;

  private constructor(
    private readonly server: Server,
    readonly url: string,
    private readonly sockets: Set<Socket>,
  ) {}

  static async start(upstream: URL): Promise<DeafProxy> {
    const sockets = new Set<Socket>();
    const server = createServer(client => {
      const database = connect(Number(upstream.port), upstream.hostname);
      for (const socket of [client, database]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
      }
      client.on('data', chunk => {
        database.write(chunk);
        if (proxy.dropNextCommits > 0 && chunk.includes('commit\0')) {
          proxy.dropNextCommits -= 1;
          database.unpipe(client);
          // The server's answer is read and thrown away.
          database.resume();
          setTimeout(() => client.destroy(), 100);
        }
      });
      database.pipe(client);
      client.on('close', () => database.end());
      database.on('close', () => client.destroy());
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(upstream);
    url.port = `${(server.address() as AddressInfo).port}`;
    const proxy = new DeafProxy(server, url.href, sockets);
    return proxy;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise(resolve => this.server.close(resolve));
  }
}
