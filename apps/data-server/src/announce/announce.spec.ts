import { describe, expect, it } from '@jest/globals';
import {
  FRAMES_VERSION,
  MESSAGE_HEADERS,
  decodeBody,
  encodeBody,
  parseHeartbeat,
  parseLocateAnswer,
  toObjectName,
  type Heartbeat as Beat,
} from '#contracts';
import { LogicalClock } from '#cluster';
import type { MessageBus, OutgoingMessage } from '#mq';
import { MemoryMessageBus } from '#mq/memory';
import type { StoreUsage } from '#storage';
import { MemoryShardStore } from '#storage/memory';
import { silentLogger } from '#telemetry';
import { Absence } from './absence.js';
import { answerLocate } from './answer-locate.js';
import { Heartbeat } from './heartbeat.js';
import { OwnServer } from './own-server.js';

const USAGE: StoreUsage = { capacityBytes: 2 ** 40, freeBytes: 2 ** 39, usedBytes: 5, objects: 1, damagedObjects: 0 };

function ownServer(): OwnServer {
  return new OwnServer({
    serverId: 'me',
    bootId: 'boot-1',
    address: '127.0.0.1:1',
    clock: new LogicalClock(),
    usage: USAGE,
    zone: 'rack-7',
  });
}

describe('OwnServer', () => {
  it('is what matters most: leaving, joining, read-only, ready', () => {
    const own = ownServer();
    expect([own.state, own.reason]).toEqual(['ready', undefined]);
    own.setUsage({ ...USAGE, readOnlyReason: 'the disk is full' });
    expect([own.state, own.reason]).toEqual(['read-only', 'the disk is full']);
    own.setJoining(true);
    expect(own.state).toBe('joining');
    own.setLeaving();
    expect(own.state).toBe('leaving');
    own.setJoining(false);
    expect(own.state).toBe('leaving');
  });

  it('tells of changes that matter to others only', () => {
    const own = ownServer();
    let changes = 0;
    own.onChange(() => (changes += 1));
    own.setUsage({ ...USAGE, usedBytes: 6, freeBytes: 7 });
    own.setJoining(false);
    expect(changes).toBe(0);
    own.setUsage({ ...USAGE, readOnlyReason: 'full' });
    own.setUsage(USAGE);
    own.setUsage({ ...USAGE, capacityBytes: 2 ** 42 });
    expect(changes).toBe(3);
  });
});

describe('Heartbeat', () => {
  it('says where and how the server is, counting', async () => {
    const sent: OutgoingMessage[] = [];
    const bus = Object.assign(new MemoryMessageBus(), {
      publish: async (_: string, message: OutgoingMessage) => void sent.push(message),
    });
    const { heartbeat } = heartbeatOn(bus);
    await heartbeat.beat();
    await heartbeat.beat();
    const beats = sent.map(({ body, headers }) => parseHeartbeat(body, headers ?? {}));
    expect(beats[1]).toEqual({
      address: '127.0.0.1:1',
      facts: {
        serverId: 'me',
        bootId: 'boot-1',
        sequence: 2,
        state: 'ready',
        capacityBytes: 2 ** 40,
        usedBytes: 5,
        clock: 0,
        members: ['me', 'other'],
        framesVersion: FRAMES_VERSION,
        zone: 'rack-7',
      },
    });
    expect(sent.map(({ ttlMs }) => ttlMs)).toEqual([5000, 5000]);
  });

  it('sends nothing while the bus is down, and survives one that fails', async () => {
    let published = 0;
    const down = Object.assign(Object.create(new MemoryMessageBus()) as MessageBus, {
      publish: async () => void (published += 1),
    });
    Object.defineProperty(down, 'status', { value: 'down' });
    const silent = heartbeatOn(down);
    await silent.heartbeat.beat();
    expect([published, silent.counts]).toEqual([0, { sent: 0, failed: 0 }]);

    const failing = Object.assign(new MemoryMessageBus(), { publish: () => Promise.reject(new Error('no')) });
    const failed = heartbeatOn(failing);
    await failed.heartbeat.beat();
    expect(failed.counts).toEqual({ sent: 0, failed: 1 });
  });

  it('beats once for all who ask at the same time', async () => {
    const { heartbeat, counts } = heartbeatOn(new MemoryMessageBus());
    for (let asker = 0; asker < 10; asker += 1) heartbeat.beatSoon();
    await new Promise(resolve => setTimeout(resolve, 100));
    expect(counts.sent).toBe(1);
  });
});

describe('answerLocate', () => {
  const store = new MemoryShardStore();
  let malformed = 0;
  const responder = { own: ownServer(), catalog: store, onMalformed: () => (malformed += 1) };
  const ask = (body: Buffer, headers = {}) => {
    const answer = answerLocate(responder, { body, headers });
    return answer && parseLocateAnswer(answer.body, answer.headers ?? {});
  };
  const understandsNo = { [MESSAGE_HEADERS.understandsNo]: true };

  it('says where an object is, whatever the spelling of its name', async () => {
    const { stamp } = await store.put(toObjectName('a/b c'), Buffer.from('x'), {});
    const here = { address: '127.0.0.1:1', here: true, serverId: 'me', bootId: 'boot-1', stamp };
    expect(ask(encodeBody('a%2Fb%20c'))).toEqual(here);
    expect(ask(encodeBody('a/b%20c'), understandsNo)).toEqual(here);
  });

  it('is silent about others, except to who understands a no', async () => {
    expect(ask(encodeBody('absent'))).toBeUndefined();
    expect(ask(encodeBody('absent'), understandsNo)).toMatchObject({ here: false, serverId: 'me' });
    await store.remove(toObjectName('gone'), { remember: true });
    expect(ask(encodeBody('gone'))).toBeUndefined();
    expect(ask(encodeBody('gone'), understandsNo)).toMatchObject({ here: false });
  });

  it('takes a name for a name, never for a path', () => {
    expect(ask(encodeBody('../../../../etc/passwd'))).toBeUndefined();
  });

  it('drops and counts what is no request', () => {
    malformed = 0;
    const bodies = ['', 'null', '17', '["a"]', '{"a":1}', '"%ff"', '"%00"', '""', 'x'.repeat(70_000)];
    for (const body of bodies) expect(ask(Buffer.from(body), understandsNo)).toBeUndefined();
    expect(malformed).toBe(bodies.length);
    expect(decodeBody(Buffer.from('"a"'))).toBe('a');
  });
});

describe('Absence', () => {
  it('is revealed by servers that went on beating', () => {
    expect(away(60_000, 12)).toBe(true);
    expect(away(20_000, 5)).toBe(true);
  });

  it('is none when the broker was away from all', () => {
    expect(away(60_000, 3)).toBe(false);
    expect(away(12_000, 3)).toBe(false);
    expect(away(3000, 1)).toBe(false);
  });
});

function heartbeatOn(bus: MessageBus) {
  const counts = { sent: 0, failed: 0 };
  const metrics = { sent: { inc: () => (counts.sent += 1) }, failed: { inc: () => (counts.failed += 1) } };
  const options = { own: ownServer(), intervalMs: 5000, otherMembers: () => ['other'], logger: silentLogger };
  return { counts, heartbeat: new Heartbeat({ ...options, bus, metrics }) };
}

function away(durationMs: number, beatsMeanwhile: number): boolean {
  let nowMs = 0;
  const absence = new Absence(5000, 10_000, () => nowMs);
  const beat = (sequence: number): Beat => ({
    address: 'b:1',
    facts: { ...ownServer().facts(sequence, []), serverId: 'b' },
  });
  const other = { ...ownServer().asMember(), key: 'b', facts: beat(10).facts };
  absence.begin([other]);
  nowMs = durationMs;
  absence.end();
  return absence.isRevealedBy(beat(10 + beatsMeanwhile));
}
