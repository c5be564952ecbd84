import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  EXCHANGES,
  encodeBody,
  encodeControl,
  hashName,
  heartbeatHeaders,
  parseControl,
  parseHeartbeat,
  toObjectName,
  type Heartbeat,
  type ServerFacts,
} from '#contracts';
import { LogicalClock } from '#cluster';

import { MemoryHub, MemoryMessageBus } from '#mq/memory';
import { MemoryShardStore } from '#storage/memory';
import { Metrics, silentLogger } from '#telemetry';
import { Membership } from './membership.js';

/** One data server's membership on an in-process bus, beside others that the test plays. */
describe('Membership', () => {
  let directory: string;
  let ear: MemoryMessageBus;
  let store: MemoryShardStore;
  let metrics: Metrics;
  let membership: Membership;
  let beats: Heartbeat[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'granary-membership-'));
    const hub = new MemoryHub();
    ear = new MemoryMessageBus(hub);
    const bus = new MemoryMessageBus(hub);
    store = new MemoryShardStore();
    metrics = new Metrics();
    beats = [];
    membership = await Membership.open({
      serverId: 'me',
      bootId: 'boot-1',
      address: 'me:1',
      store,
      usage: () => store.usage(),
      clock: new LogicalClock(),
      bus,
      neighbours: () => ({
        compare: async () => [],
        sayDone: async () => undefined,
        storeOf: () => store,
        retain: () => undefined,
      }),
      prove: async () => true,
      memberFilePath: join(directory, 'members.json'),
      heartbeatIntervalMs: 5000,
      serverExpiryMs: 10_000,
      forgetServerAfterMs: 100_000,
      reconcileBytesPerSecond: 1e9,
      logger: silentLogger,
      metrics,
    });
    await bus.subscribe(EXCHANGES.apiServers, message => membership.hearBeat(message));
    await bus.subscribe(EXCHANGES.control, message => membership.hearControl(message));
    await ear.subscribe(EXCHANGES.apiServers, ({ body, headers }) => {
      const beat = parseHeartbeat(body, headers);
      if (beat?.facts?.serverId === 'me') beats.push(beat);
    });
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await membership.stop();
    await rm(directory, { recursive: true });
  });

  const states = () => beats.map(({ facts }) => facts?.state);

  it('asks for beats before it says a word, and is ready at once with an empty store', async () => {
    const heard: unknown[] = [];
    await ear.subscribe(EXCHANGES.control, ({ body }) => heard.push([parseControl(body)?.kind, beats.length]));
    await membership.start();
    await settled();
    expect(heard).toEqual([['beat-now', 0]]);
    expect(states()).toEqual(['ready']);
  });

  it('beats when asked, when its state changes, and when it leaves', async () => {
    await membership.start();
    await ear.publish(EXCHANGES.control, { body: encodeControl({ kind: 'beat-now' }) });
    await sleep(100);
    jest.spyOn(store, 'usage').mockResolvedValue({ ...(await store.usage()), readOnlyReason: 'full' });
    await membership.lookAround();
    jest.restoreAllMocks();
    await membership.lookAround();
    await membership.leave();
    await settled();
    expect(states().filter((state, index, all) => state !== all[index - 1])).toEqual([
      'ready',
      'read-only',
      'ready',
      'leaving',
    ]);
    expect(beats.map(({ facts }) => facts?.sequence)).toEqual(beats.map((_, index) => index + 1));
  });

  it('refuses to start when a living server has its id', async () => {
    const answer = setInterval(() => void ear.publish(EXCHANGES.apiServers, beatOf('me', { bootId: 'other' })), 20);
    await expect(membership.start()).rejects.toThrow('A data server with the id me is alive already, at me.test:1.');
    clearInterval(answer);
    expect(beats.filter(({ facts }) => facts?.bootId === 'boot-1')).toEqual([]);
  });

  it('refuses to start beside one with its id that it heard during a pause', async () => {
    const starting = expect(membership.start()).rejects.toThrow('id me is alive already');
    await nextTurn();
    void ear.publish(EXCHANGES.apiServers, beatOf('me', { bootId: 'other' }));
    // Timers go before what has arrived.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
    await starting;
  });

  it('joins again, before it says anything else, after it was stopped for a while', async () => {
    await store.put(toObjectName('a'), Buffer.from('x'), {});
    await membership.start();
    await settled();
    beats.length = 0;
    const nowMs = performance.now();
    jest.spyOn(performance, 'now').mockReturnValue(nowMs + 12_000);
    await membership.beat();
    await settled();
    expect(states()[0]).toBe('joining');
    expect(states()).not.toContain('ready');
  });

  it('drops and counts what it cannot read', async () => {
    await membership.start();
    for (const body of ['', '7', '{}', '"no address"', 'x'.repeat(100)]) {
      membership.hearBeat({ body: Buffer.from(body), headers: {} });
      membership.hearControl({ body: Buffer.from(body), headers: {} });
      membership.answerLocate({ body: Buffer.from(body), headers: {} });
    }
    membership.hearBeat({ body: encodeBody('a:1'), headers: { 'granary-protocol': 1 } });
    const text = await metrics.text();
    expect(text).toContain('granary_messages_malformed_total{exchange="apiServers"} 6');
    expect(text).toContain('granary_messages_malformed_total{exchange="granary.control"} 5');
  });

  it('knows the members it heard, and forgets one when told', async () => {
    await membership.start();
    await ear.publish(EXCHANGES.apiServers, beatOf('b'));
    await settled();
    await membership.beat();
    await settled();
    expect(beats.at(-1)?.facts?.members).toEqual(['me', 'b']);
    await ear.publish(EXCHANGES.apiServers, beatOf('c', { members: ['c', 'gone'] }));
    await settled();
    expect(membership.view.missing).toContain('gone');
    await ear.publish(EXCHANGES.control, { body: encodeControl({ kind: 'forget', serverId: 'gone' }) });
    await settled();
    expect(membership.view.missing).not.toContain('gone');
  });

  it('compares notes only with a server that beats, and only as the one that is meant', async () => {
    const name = toObjectName('a');
    await store.put(name, Buffer.from('x'), { stamp: 5 });
    await membership.start();
    const request = {
      from: 'b',
      fromBoot: 'b-1',
      to: 'me',
      toBoot: 'boot-1',
      notes: [{ hash: hashName(name), stamp: 9, removed: true }],
    };
    await expect(membership.reconcile(request)).rejects.toMatchObject({ code: 'data-server-unavailable' });
    membership.hearBeat(beatOf('b'));
    await expect(membership.reconcile({ ...request, toBoot: 'boot-0' })).rejects.toMatchObject({
      code: 'data-server-unavailable',
    });
    expect(store.has(name)).toBe(true);
    expect(await membership.reconcile(request)).toEqual({ verdicts: [{ is: 'same' }] });
    expect(store.has(name)).toBe(false);
  });
});

function beatOf(serverId: string, overrides: Partial<ServerFacts> = {}) {
  const facts: ServerFacts = {
    serverId,
    bootId: `${serverId}-1`,
    sequence: 1,
    state: 'ready',
    capacityBytes: 1,
    usedBytes: 0,
    clock: 0,
    members: [serverId],
    ...overrides,
  };
  return { body: encodeBody(`${serverId}.test:1`), headers: heartbeatHeaders(facts) };
}

/** Until what was said has been heard, and what is asked of the disk for an answer has come. */
async function settled(): Promise<void> {
  await sleep(50);
  // After a pause of the whole process timers go first.
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
}
