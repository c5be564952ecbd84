import { afterAll, afterEach, beforeAll, describe, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { Agent } from 'node:http';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBroker, type Broker } from '../../tools/broker.js';
import { Cluster, dataServer } from '../harness/cluster.js';
import { FakeClock } from '../harness/fake-clock.js';
import { del, get, problemCode, put, type Answer } from '../harness/http.js';
import { it } from '../harness/it.js';
import { loopback } from '../harness/lane.js';
import { Load, loadFor, percentile, writeAndRead, type LoadOperation } from '../harness/load.js';
import { isAlive, waitedForCoreMs } from '../harness/processes.js';
import { endAllServers, ServerProcess } from '../harness/server-process.js';
import { startSingleNode } from '../harness/single-node.js';
import { beginPut, slowly } from '../harness/slow-transfers.js';
import { TcpProxy } from '../harness/tcp-proxy.js';
import { stopwatch } from '../harness/stopwatch.js';
import { removeTempDirectories, tempDirectory } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';

/** Data servers are dropped from the view after this. */
const EXPIRY_MS = 10_000;
let broker: Broker;

beforeAll(async () => {
  broker = await startBroker();
});
afterEach(() => endAllServers());
afterAll(async () => {
  await broker.stop();
  removeTempDirectories();
});

describe('a data server that dies', () => {
  it('idle (row 1): no PUT fails, the rest is served, its own objects are a 503 and come back with it', async () => {
    const cluster = await startCluster();
    const names = await storeMany(cluster, 'idle');
    const victim = await cluster.holder(names[0] ?? '');
    const lost = await namesAt(cluster, victim, names);
    await victim.kill();

    const load = new Load(writeAndRead('after-the-kill', serial => cluster.api(serial)));
    for (const name of names) {
      const read = await get(`${cluster.api()}/objects/${name}`);
      if (lost.includes(name)) expectUnavailable(read);
      else expect([name, read.status]).toEqual([name, 200]);
      expect(read.ms).toBeLessThan(3_000);
    }
    await leavesTheView(cluster, victim);
    expectUnavailable(await get(`${cluster.api()}/objects/${lost[0]}`));
    expect((await load.stop()).failures).toEqual([]);

    victim.start();
    await cluster.ready();
    for (const name of lost) expect((await get(`${cluster.api()}/objects/${name}`)).status).toBe(200);
  });

  it('in the middle of a PUT (row 2): 503, and the old object is still whole', async () => {
    const cluster = await startCluster({ dataServers: 3 });
    for (const [index, size] of [1_000, 5_000_000].entries()) {
      const name = `put-${index}`;
      const old = randomBytes(size);
      await put(`${cluster.api()}/objects/${name}`, old);
      const victim = await cluster.holder(name);
      const before = uploadsAt(victim);
      const upload = beginPut(cluster.api(), `/objects/${name}`, 2_000_000);
      upload.socket.write(Buffer.alloc(1_000_000));
      await waitUntil('the upload has reached it', 20_000, () => isAny(uploadsAt(victim), before));
      await victim.kill();
      upload.socket.write(Buffer.alloc(1_000_000));
      expect(await upload.answer).toMatch(/^HTTP\/1\.1 503 |^$/);
      victim.start();
      await cluster.ready();
      expect((await get(`${cluster.api()}/objects/${name}`)).body.equals(old)).toBe(true);
    }
  });

  it('in the middle of a GET (row 3): the connection breaks, never a short 200', async () => {
    const cluster = await startCluster({ dataServers: 3 });
    await put(`${cluster.api()}/objects/read`, randomBytes(60_000_000));
    const victim = await cluster.holder('read');
    const response = await slowly(`${cluster.api()}/objects/read`);
    expect(response.statusCode).toBe(200);
    await victim.kill();
    let received = 0;
    const end = (async () => {
      for await (const chunk of response) received += (chunk as Buffer).length;
    })();
    await expect(end).rejects.toThrow();
    expect(received).toBeLessThan(60_000_000);
  });

  it('and missed an overwrite and a delete (rows 5 and 33): nothing old comes back with it', async () => {
    const cluster = await startCluster({ dataServers: 3 });
    const names = await storeMany(cluster, 'missed', 24);
    const victim = await cluster.holder(names[0] ?? '');
    const [overwritten = '', deleted = '', ...rest] = await namesAt(cluster, victim, names);
    await victim.kill();
    for (const name of [overwritten, deleted, ...rest]) {
      expect((await put(`${cluster.api()}/objects/${name}`, 'newer')).status).toBe(200);
    }
    for (const name of [deleted, ...rest]) {
      expect((await del(`${cluster.api(1)}/objects/${name}`)).status).toBe(204);
    }

    victim.start();
    const elapsedMs = stopwatch();
    while (elapsedMs() < 15_000) {
      for (const name of [deleted, ...rest]) {
        for (const api of cluster.apis) expect([404, 503]).toContain((await get(`${api.url}/objects/${name}`)).status);
      }
      for (const api of cluster.apis) {
        const read = await get(`${api.url}/objects/${overwritten}`);
        if (read.status === 200) expect(read.body.toString()).toBe('newer');
        else expectUnavailable(read);
      }
      await sleep(100);
    }
    await waitUntil('all have said that it is gone', 30_000, async () => {
      return (await get(`${cluster.api()}/objects/${deleted}`)).status === 404;
    });
    await waitUntil('one current copy', 30_000, async () => (await cluster.holders(overwritten)).length === 1);
    expect((await get(`${cluster.api()}/objects/${overwritten}`)).body.toString()).toBe('newer');
    expect((await get(`${cluster.api()}/objects/${deleted}`)).status).toBe(404);
  });
});

describe('a data server that hangs (row 4)', () => {
  it('slows nothing beyond 3 s at first, nothing at all later, and is itself again after', async () => {
    const cluster = await startCluster();
    const names = await storeMany(cluster, 'hung');
    const load = writeAndRead('while-hung', serial => cluster.api(serial));
    await loadFor(1_500, load);
    const normal = await loadFor(
      3_000,
      writeAndRead('normal', serial => cluster.api(serial)),
    );
    const victim = await cluster.holder(names[0] ?? '');
    await victim.pause();

    const first = await loadFor(
      EXPIRY_MS,
      writeAndRead('first', serial => cluster.api(serial)),
    );
    expect(first.failures).toEqual([]);
    expect(percentile(first.latenciesMs, 0.99)).toBeLessThan(3_000);
    const stuck = await get(`${cluster.api()}/objects/${names[0]}`);
    expectUnavailable(stuck);
    expect(stuck.ms).toBeLessThan(3_000);

    await leavesTheView(cluster, victim);
    const allowedMs = Math.max(100, 1.5 * percentile(normal.latenciesMs, 0.99));
    // A hung server that were still asked would show each time; what else keeps the machine busy does not.
    let laterMs = Infinity;
    for (let tries = 0; tries < 3 && laterMs >= allowedMs; tries++) {
      const later = await loadFor(
        3_000,
        writeAndRead(`later-${tries}`, serial => cluster.api(serial)),
      );
      expect(later.failures).toEqual([]);
      laterMs = percentile(later.latenciesMs, 0.99);
    }
    expect(laterMs).toBeLessThan(allowedMs);
    expect((await put(`${cluster.api()}/objects/${names[0]}`, 'newer')).status).toBe(200);

    victim.signal('SIGCONT');
    await cluster.ready();
    await waitUntil('one current copy', 15_000, async () => (await cluster.holders(names[0] ?? '')).length === 1);
    for (const api of cluster.apis) expect((await get(`${api.url}/objects/${names[0]}`)).body.toString()).toBe('newer');
  });
});

describe('a data server that reaches the broker but not the API servers (row 7)', () => {
  it('is not chosen after the first error, cut off or silent, and is used again later', async () => {
    const cluster = await startCluster({ dataServers: 2 });
    const hidden = await dataServer({ brokerUrl: broker.url }, 6);
    const proxy = await TcpProxy.start(loopback('1.7'), hidden.address);
    await hidden.stop();
    hidden.start({ ADVERTISE_ADDRESS: proxy.address });
    await cluster.sees(cluster.api(), [proxy.address]);
    for (const mode of ['refuse', 'swallow'] as const) {
      proxy.switchTo(mode);
      const result = await loadFor(
        8_000,
        writeAndRead(`cut-off-${mode}`, () => cluster.api()),
      );
      expect([mode, result.failures]).toEqual([mode, []]);
      expect([mode, percentile(result.latenciesMs, 0.99) < 3_000]).toEqual([mode, true]);
      proxy.switchTo('pass');
      await cluster.sees(cluster.api(), [proxy.address]);
    }
    await proxy.stop();
  });
});

describe('a directory (row 15)', () => {
  it('serves one data server at a time', async () => {
    const directory = join(tempDirectory('store'), 'store');
    const first = await startSingleNode({ directory });
    const second = new ServerProcess({
      program: 'data-server',
      name: 'second on one directory',
      env: { LISTEN_ADDRESS: `${loopback('3.2')}:12399`, STORAGE_ROOT: directory },
    });
    expect(await second.exit()).toBe(1);
    expect(second.log.join('\n')).toMatch(/lock|in use|another/i);
    expect(isAlive(first.pid)).toBe(true);
    await first.stop();
  });

  it('that belongs to another server is refused, by its id', async () => {
    const directory = join(tempDirectory('store'), 'store');
    await (await startSingleNode({ directory, env: { SERVER_ID: 'the-owner' } })).stop();
    const stranger = new ServerProcess({
      program: 'data-server',
      name: 'stranger',
      env: { LISTEN_ADDRESS: `${loopback('3.2')}:12399`, STORAGE_ROOT: directory, SERVER_ID: 'somebody-else' },
    });
    expect(await stranger.exit()).toBe(1);
    expect(stranger.log.join('\n')).toContain('the-owner');
  });
});

describe('clocks (row 18)', () => {
  it('that are off by an hour and jump reorder no versions and kill nobody', async () => {
    const [apis, datas, other] = [await FakeClock.create(), await FakeClock.create(), await FakeClock.create()];
    datas.set(3600);
    other.set(-3600);
    const cluster = await startCluster({ dataServers: 2, apiEnv: apis.env, dataEnv: datas.env });
    const third = await dataServer({ brokerUrl: broker.url, env: other.env }, 2);
    await third.ready();
    await cluster.sees(cluster.api(), [third.address]);

    let version = 0;
    const overwriteAndRead = async () => {
      for (let name = 0; name < 6; name++) {
        version++;
        expect((await put(`${cluster.api(version)}/objects/clock-${name}`, `version ${version}`)).status).toBe(200);
        for (const api of cluster.apis) {
          expect((await get(`${api.url}/objects/clock-${name}`)).body.toString()).toBe(`version ${version}`);
        }
      }
    };
    await overwriteAndRead();
    for (const jump of [3600, -3600, 0]) {
      apis.set(jump);
      datas.set(jump === 3600 ? -3600 : 3600);
      const until = Date.now() + 4_000;
      while (Date.now() < until) {
        await overwriteAndRead();
        for (const server of await cluster.view())
          expect([server.address, server.state]).toEqual([server.address, 'ready']);
      }
    }
    await third.stop();
  });
});

describe('an API server that dies (row 19)', () => {
  it('in the middle of a PUT leaves old or new, the retry succeeds, and nothing is left behind', async () => {
    const cluster = await startCluster({ dataServers: 1 });
    const files = () => filesOf(cluster.data(0));
    const uploads = () => uploadsAt(cluster.data(0));
    const old = randomBytes(3_000_000);
    await put(`${cluster.api(1)}/objects/half`, old);
    const before = files();
    for (let cycle = 0; cycle < 3; cycle++) {
      const earlier = uploads();
      const upload = beginPut(cluster.api(0), '/objects/half', 4_000_000);
      upload.socket.write(Buffer.alloc(3_000_000));
      await waitUntil('the upload has reached the data server', 20_000, () => isAny(uploads(), earlier));
      await cluster.apis[0]?.kill();
      expect((await get(`${cluster.api(1)}/objects/half`)).body.equals(old)).toBe(true);
      cluster.apis[0]?.start();
      await cluster.ready();
    }
    await waitUntil(
      `what was half written is gone: ${files().join(' ')} was ${before.join(' ')}`,
      20_000,
      () => files().length <= before.length,
    );
    expect((await put(`${cluster.api(0)}/objects/half`, 'retried')).status).toBe(200);
    expect((await get(`${cluster.api(1)}/objects/half`)).body.toString()).toBe('retried');
  });
});

describe('SIGTERM (row 20)', () => {
  it('at an API server fails no request that it took, and lets an upload finish', async () => {
    const cluster = await startCluster({ dataServers: 3 });
    const upload = beginPut(cluster.api(0), '/objects/finishing', 2_000_000);
    upload.socket.write(Buffer.alloc(1_000_000));
    // On connections that it has accepted: the kernel resets those that are made in the moment in which a server closes
    // its listening socket, and those that wait then are the unit tests' (libs/http/src/drain.spec.ts).
    const agent = new Agent({ keepAlive: true });
    const load = new Load(unlessRefused(writeAndRead('api-term', () => cluster.api(0), 1_000, agent)));
    await waitUntil('every connection is used', 20_000, () => load.operations > 20);
    const stopping = cluster.apis[0]?.stop();
    await sleep(1_000);
    upload.socket.write(Buffer.alloc(1_000_000));
    expect(await upload.answer).toMatch(/^HTTP\/1\.1 200 /);
    const { code = null, ms = Number.NaN } = (await stopping) ?? {};
    expect((await load.stop()).failures).toEqual([]);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(30_000);
    agent.destroy();
    expect((await get(`${cluster.api(1)}/objects/finishing`)).body.length).toBe(2_000_000);
  });

  it('at a data server fails no PUT, and no GET of what is elsewhere', async () => {
    const cluster = await startCluster({ dataServers: 3 });
    const load = new Load(async serial => {
      const stored = await put(
        `${cluster.api(serial)}/objects/data-term-${serial}`,
        'x'.repeat(serial % 2 === 0 ? 100 : 200_000),
      );
      return stored.status === 200 ? undefined : `PUT ${serial}: ${stored.status} ${stored.body.toString()}`;
    });
    await sleep(500);
    const { code, ms } = await cluster.data(1).stop();
    await sleep(500);
    expect((await load.stop()).failures).toEqual([]);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(30_000);
  });
});

describe('all servers restarting together (row 21)', () => {
  it('are ready within 10 s, and what exists is never a 404 in between', async () => {
    const cluster = await startCluster();
    const names = await storeMany(cluster, 'restart', 60);
    const seen: string[] = [];
    await cluster.kill();
    const load = new Load(
      unlessRefused(async serial => {
        const name = names[serial % names.length] ?? '';
        const read = await get(`${cluster.api(serial)}/objects/${name}`);
        if (read.status === 200) return read.body.toString() === name ? undefined : 'other bytes';
        if (read.status === 503) await backOff();
        else seen.push(`${name}: ${read.status}`);
        return undefined;
      }),
    );
    const [elapsedMs, startedMs] = [stopwatch(), performance.now()];
    const servers = [...cluster.apis, ...cluster.datas];
    for (const server of servers) server.start();
    await cluster.ready();
    const tookMs = performance.now() - startedMs;
    const pausedMs = tookMs - elapsedMs();
    // Servers have a machine each, or at least a core. Here eight of them share what there is with all else that runs.
    const waitedMs = Math.max(...servers.map(server => waitedForCoreMs(server.pid)));
    // Much of both is the same time.
    expect(tookMs - Math.max(waitedMs, pausedMs)).toBeLessThan(10_000);
    for (const name of names) expect((await get(`${cluster.api()}/objects/${name}`)).status).toBe(200);
    expect((await load.stop()).failures).toEqual([]);
    expect(seen).toEqual([]);
  });
});

function startCluster(options: Partial<Parameters<typeof Cluster.start>[0]> = {}): Promise<Cluster> {
  return Cluster.start({ brokerUrl: broker.url, ...options });
}

async function storeMany(cluster: Cluster, prefix: string, count = 36): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  for (const name of names) expect((await put(`${cluster.api()}/objects/${name}`, name)).status).toBe(200);
  return names;
}

async function namesAt(cluster: Cluster, server: ServerProcess, names: readonly string[]): Promise<string[]> {
  const holders = await Promise.all(names.map(name => cluster.holders(name)));
  return names.filter((_, index) => holders[index]?.[0] === server.address);
}

/** At every API server. */
async function leavesTheView(cluster: Cluster, { address }: ServerProcess): Promise<void> {
  await waitUntil('it left the view', EXPIRY_MS + 6_000, async () => {
    const views = await Promise.all(cluster.apis.map(api => cluster.view(api.url)));
    return !views.flat().some(server => server.address === address && server.state !== 'missing');
  });
}

function expectUnavailable(answer: Answer): void {
  expect([answer.status, problemCode(answer)]).toEqual([503, 'data-server-unavailable']);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(0);
}

/** A connection that is refused is no failed request: the client takes another server. */
function unlessRefused(operation: LoadOperation): LoadOperation {
  return async (serial, took) => {
    try {
      return await operation(serial, took);
    } catch (error) {
      if (!String(error).includes('ECONNREFUSED')) throw error;
      await backOff();
      return undefined;
    }
  };
}

/** As clients do when they are refused. One that knocked on as fast as it can would take the CPU from the servers that start. */
function backOff(): Promise<void> {
  return sleep(50 + 50 * Math.random());
}

/** What a data server keeps, but for packs: the record of a file goes there behind the answer. */
function filesOf({ options }: ServerProcess): string[] {
  const paths = readdirSync(options.env['STORAGE_ROOT'] ?? '', { recursive: true }).map(String);
  return paths.filter(path => !/(^|\/)packs\//.test(path));
}

/** The files of large objects that are not whole yet. */
function uploadsAt(server: ServerProcess): string[] {
  return filesOf(server).filter(path => /(^|\/)tmp\//.test(path));
}

function isAny(now: readonly string[], otherThan: readonly string[]): boolean {
  return now.some(path => !otherThan.includes(path));
}
