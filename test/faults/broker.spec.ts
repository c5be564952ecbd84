import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownBroker, type Broker } from '../../tools/broker.js';
import { deleteAllQueues } from '../harness/delete-all-queues.js';
import { apiServer, Cluster } from '../harness/cluster.js';
import { get, problemCode, put } from '../harness/http.js';
import { it } from '../harness/it.js';
import { loadFor, writeAndRead } from '../harness/load.js';
import { residentBytes } from '../harness/processes.js';
import { endAllServers, type ServerProcess } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';
import { forgedFacts, Stranger, withChannel } from './stranger.js';

/** The broker is this file's own: it is killed, paused and starved. */
let broker: Broker;
let cluster: Cluster;

beforeAll(async () => {
  broker = await ownBroker();
});
beforeEach(async () => {
  cluster = await Cluster.start({ brokerUrl: broker.url, dataServers: 3 });
});
afterEach(() => endAllServers());
afterAll(async () => {
  await broker.stop();
  removeTempDirectories();
});

describe('a broker that goes away', () => {
  const ways: [string, number, () => Promise<void>, () => Promise<void>][] = [
    ['killed (rows 22 and 23)', 3_000, () => broker.kill(), () => broker.restart()],
    ['hung (row 24)', 6_000, () => broker.pause(), () => broker.resume()],
    [
      'blocking publishers (row 25)',
      10_000,
      async () => void (await broker.ctl('set_vm_memory_high_watermark', '0.00001')),
      async () => void (await broker.ctl('set_vm_memory_high_watermark', '0.4')),
    ],
  ];
  for (const [way, noticedMs, takeAway, bringBack] of ways) {
    it(`${way}: objects are served on, readiness says so, all is well within 5 s of its return`, async () => {
      await put(`${cluster.api()}/objects/known`, 'known');
      const memory = everyone().map(server => residentBytes(server.pid));
      await takeAway();
      const seenMs = await waitUntil('readiness says that the broker is missing', noticedMs + 3_000, async () => {
        const states = await Promise.all(everyone().map(readiness));
        return states.every(({ missing }) => missing.includes('broker'));
      });
      expect(seenMs).toBeLessThan(noticedMs);

      // Longer than the expiry: the servers last known stay known.
      const result = await loadFor(
        12_000,
        writeAndRead(`without-${way.slice(0, 4)}`, serial => cluster.api(serial)),
      );
      expect(result.failures).toEqual([]);
      for (const api of cluster.apis) {
        const ready = await readiness(api);
        expect([ready.httpStatus, ready.status]).toEqual([200, 'degraded']);
        const miss = await get(`${api.url}/objects/never-stored`);
        expect([404, 503]).toContain(miss.status);
        expect(miss.ms).toBeLessThan(3_000);
        expect((await get(`${api.url}/objects/known`)).body.toString()).toBe('known');
      }
      expect(everyone().every(server => server.isRunning)).toBe(true);

      await bringBack();
      const healedMs = await waitUntil('everything works', 10_000, async () => {
        const states = await Promise.all(everyone().map(readiness));
        const located = await Promise.all(cluster.apis.map(api => get(`${api.url}/locate/known?all`)));
        const view = await cluster.view();
        return (
          states.every(({ status }) => status === 'ok') &&
          located.every(({ status }) => status === 200) &&
          view.every(({ state }) => state === 'ready')
        );
      });
      expect(healedMs).toBeLessThan(5_000);
      const grown = everyone().map((server, index) => residentBytes(server.pid) - (memory[index] ?? 0));
      expect(Math.max(...grown)).toBeLessThan(100e6);
    });
  }

  it('while a server restarts: the server is found when both are back', async () => {
    await put(`${cluster.api()}/objects/both`, 'x');
    await broker.kill();
    const holder = await stopAndStart(cluster, 'both');
    await broker.restart();
    await cluster.ready();
    // Until its first beat the servers go by what they knew before, in which it is another process.
    await isLocated('both', 30_000);
    expect((await get(`${cluster.api()}/objects/both`)).status).toBe(200);
    expect(holder.isRunning).toBe(true);
  });
});

describe('a broker that refuses', () => {
  it('wrong credentials (row 26): not ready, no crash, at most a line per 10 s, no password in it', async () => {
    const wrong = broker.url.replace(/\/\/[^@]+@/, '//somebody:a-wrong-secret@');
    const api = await apiServer({ brokerUrl: wrong }, 5);
    await waitUntil('it listens', 60_000, async () => (await get(`${api.url}/health/live`)).status === 200);
    const before = api.log.length;
    const startedMs = performance.now();
    await sleep(12_000);
    await waitUntil('it says so', 20_000, () => api.log.length > before);
    const lines = api.log.slice(before);
    const allowedLines = Math.ceil((performance.now() - startedMs) / 10_000) + 1;
    const ready = await readiness(api);
    expect([ready.httpStatus, ready.status, ready.missing]).toEqual([
      503,
      'unavailable',
      expect.arrayContaining(['broker']),
    ]);
    expect(api.isRunning).toBe(true);
    expect(lines.length).toBeLessThanOrEqual(allowedLines);
    expect(api.log.join('\n')).not.toContain('a-wrong-secret');
  });

  it('exchanges and queues deleted under it (row 27): rebuilt within 5 s', async () => {
    await put(`${cluster.api()}/objects/rebuilt`, 'x');
    await withChannel(broker.url, async channel => {
      for (const exchange of ['apiServers', 'dataServers', 'granary.control']) await channel.deleteExchange(exchange);
    });
    await expectWorking('rebuilt');
    await deleteAllQueues(broker);
    await expectWorking('rebuilt');
    // Longer than the expiry: the heartbeats arrive, too.
    await sleep(11_000);
    expect((await cluster.view()).map(({ state }) => state)).toEqual(['ready', 'ready', 'ready']);
  });
});

describe('messages from anybody', () => {
  it('malformed, huge, duplicate or old (row 28): dropped and counted, nobody dies', async () => {
    await put(`${cluster.api()}/objects/unharmed`, 'x');
    await withChannel(broker.url, async channel => {
      const beats: { content: Buffer; headers: Record<string, unknown> }[] = [];
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.bindQueue(queue, 'apiServers', '');
      await channel.consume(
        queue,
        message => {
          if (message !== null) beats.push({ content: message.content, headers: message.properties.headers ?? {} });
        },
        { noAck: true },
      );
      await waitUntil('some beats were heard', 12_000, () => beats.length >= 3);
      const bodies = [
        '',
        '{',
        '{}',
        'null',
        '[]',
        '42',
        '"',
        '"\\ud800"',
        '"not an address"',
        '"127.0.0.1:99999"',
        '"%zz"',
        '""',
      ];
      for (const exchange of ['apiServers', 'dataServers', 'granary.control']) {
        for (const body of bodies) {
          channel.publish(exchange, '', Buffer.from(body), { replyTo: 'nobody' });
          channel.publish(exchange, '', Buffer.from(body), {
            headers: { 'granary-protocol': 1, 'granary-server-id': body },
          });
        }
        channel.publish(exchange, '', Buffer.from([0xff, 0xfe, 0x00]));
        channel.publish(exchange, '', Buffer.from(JSON.stringify('x'.repeat(1_000_000))), { replyTo: queue });
      }
      // The same beats again, and as if from an earlier life of the server.
      for (const { content, headers } of beats) {
        for (let copy = 0; copy < 20; copy++) channel.publish('apiServers', '', content, { headers });
        channel.publish('apiServers', '', content, {
          headers: { ...headers, 'granary-sequence': 1, 'granary-state': 'leaving' },
        });
      }
    });
    await waitUntil('what was dropped is counted', 10_000, async () => {
      const metrics = (await get(`${cluster.api()}/metrics`)).body.toString();
      return /^granary_\w*(?:dropped|malformed|ignored|discarded)\w*(?:\{[^}]*\})? [1-9]/m.test(metrics);
    });
    await sleep(1_000);
    expect(everyone().every(server => server.isRunning)).toBe(true);
    await expectWorking('unharmed');
    for (const server of await cluster.view()) expect(server.state).toBe('ready');
  });

  it("a stranger's heartbeats (row 29): no byte is sent to it, none is read from it", async () => {
    const stranger = await Stranger.start();
    await withChannel(broker.url, async channel => {
      const [first] = await cluster.view();
      const beat = setInterval(() => {
        stranger.beat(channel);
        // And one that claims to be a server of ours.
        stranger.beat(channel, forgedFacts(first?.id ?? '', 'forged', 1_000_000));
      }, 200);
      const result = await loadFor(
        8_000,
        writeAndRead('stranger', serial => cluster.api(serial)),
      );
      clearInterval(beat);
      expect(result.failures).toEqual([]);
    });
    expect(stranger.requests.filter(request => /^PUT|\/objects\/stranger/.test(request))).toEqual([]);
    expect(stranger.receivedBytes).toBe(0);
    await stranger.stop();
  });

  it("a stranger's locate answers (row 29): never believed", async () => {
    const stranger = await Stranger.start();
    await withChannel(broker.url, async channel => {
      await stranger.answerLocates(channel);
      for (let index = 0; index < 10; index++) {
        const read = await get(`${cluster.api(index)}/objects/nowhere-${index}`);
        expect([404, 503]).toContain(read.status);
        if (read.status === 404) expect(problemCode(read)).toBe('object-not-found');
        const located = await get(`${cluster.api(index)}/locate/nowhere-${index}`);
        expect(located.body.toString()).not.toContain(stranger.address);
      }
    });
    expect(stranger.requests.filter(request => request.includes('/objects/nowhere'))).toEqual([]);
    await stranger.stop();
  });
});

function everyone(): ServerProcess[] {
  return [...cluster.apis, ...cluster.datas];
}

interface ReadinessAnswer {
  httpStatus: number;
  status: string;
  missing: string[];
}

async function readiness(server: ServerProcess): Promise<ReadinessAnswer> {
  const answer = await get(`${server.url}/health/ready`);
  return { httpStatus: answer.status, ...(JSON.parse(answer.body.toString()) as Omit<ReadinessAnswer, 'httpStatus'>) };
}

/** Locate works at every API server within 5 s. */
async function expectWorking(name: string): Promise<void> {
  expect(await isLocated(name, 10_000)).toBeLessThan(5_000);
}

/** By every API server. Resolves to how long it took, ms. */
function isLocated(name: string, timeoutMs: number): Promise<number> {
  return waitUntil('locate works', timeoutMs, async () => {
    // Not without ?all: the name's home could tell without the broker.
    const located = await Promise.all(cluster.apis.map(api => get(`${api.url}/locate/${name}?all`)));
    return located.every(({ status }) => status === 200);
  });
}

async function stopAndStart(within: Cluster, name: string): Promise<ServerProcess> {
  const holders = await Promise.all(
    within.datas.map(async data => [data, await get(`${data.url}/objects/${name}`)] as const),
  );
  const [holder] = holders.find(([, { status }]) => status === 200) ?? [];
  if (holder === undefined) throw new Error(`${name} is nowhere`);
  await holder.stop();
  holder.start();
  return holder;
}
