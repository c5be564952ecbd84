import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { LogicalClock, type Member } from '#cluster';
import type { ServerState } from '#contracts';
import { silentLogger } from '#telemetry';
import { DEADLINE_MS, GATHER_MS, Joining, LISTEN_MS } from './joining.js';
import { OwnServer } from './own-server.js';

const usage = { capacityBytes: 1, freeBytes: 1, usedBytes: 0, objects: 0, damagedObjects: 0 };
const own = (id: string) =>
  new OwnServer({ serverId: id, bootId: `${id}-1`, address: `${id}:1`, clock: new LogicalClock(), usage });

describe('Joining', () => {
  let self: OwnServer;
  let live: Member[];
  let missing: string[];
  let asked: number;
  let joining: Joining;

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate'] });
    self = own('me');
    live = [];
    missing = [];
    asked = 0;
    joining = new Joining({
      own: self,
      live: () => live,
      missing: () => missing,
      askForBeats: async () => void (asked += 1),
      logger: silentLogger,
      nowMs: () => Date.now(),
    });
  });

  afterEach(() => {
    joining.stop();
    jest.useRealTimers();
  });

  it('asks everyone to beat, and is ready soon when it is alone', async () => {
    await joining.begin();
    expect([asked, self.state]).toEqual([1, 'joining']);
    await pass(LISTEN_MS - 1);
    expect(self.state).toBe('joining');
    await pass(1);
    expect(self.state).toBe('ready');
  });

  it('waits for each living server, joining ones included, in the boot that lives now', async () => {
    live = [other('a'), other('b', 'joining')];
    await joining.begin();
    await pass(GATHER_MS);
    joining.heardDone('a', 'a-1');
    joining.heardDone('b', 'b-0');
    expect(self.state).toBe('joining');
    joining.heardDone('b', 'b-1');
    expect(self.state).toBe('ready');
  });

  it('does not wait for suspects, for those that leave, nor for peers', async () => {
    const peer = { ...other('p'), kind: 'peer', facts: undefined } as const;
    live = [{ ...other('a'), suspect: true }, other('b', 'leaving'), peer];
    await joining.begin();
    await pass(LISTEN_MS);
    expect(self.state).toBe('ready');
  });

  it('gives known servers that are missing some time to appear', async () => {
    missing = ['c'];
    await joining.begin();
    await pass(GATHER_MS - 1);
    expect(self.state).toBe('joining');
    live = [other('c')];
    missing = [];
    joining.check();
    await pass(1000);
    expect(self.state).toBe('joining');
    joining.heardDone('c', 'c-1');
    expect(self.state).toBe('ready');
  });

  it('ends by itself when a server dies midway, and at the deadline at the latest', async () => {
    live = [other('a')];
    await joining.begin();
    await pass(GATHER_MS);
    live = [];
    joining.check();
    expect(self.state).toBe('ready');

    live = [other('a')];
    await joining.begin();
    await pass(DEADLINE_MS - 1);
    expect(self.state).toBe('joining');
    await pass(1);
    expect(self.state).toBe('ready');
  });

  it('hears who beat during a pause of this process before it takes itself for alone', async () => {
    jest.useRealTimers();
    await nextTurn();
    await joining.begin();
    // Timers go before what has arrived.
    setImmediate(() => {
      live = [other('a')];
      joining.check();
    });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * LISTEN_MS);
    for (let turn = 0; turn < 5; turn += 1) await nextTurn();
    expect(self.state).toBe('joining');
    joining.heardDone('a', 'a-1');
    expect(self.state).toBe('ready');
  });

  it('asks to be told everything again when it joins again', async () => {
    live = [other('a')];
    await joining.begin();
    joining.heardDone('a', 'a-1');
    await pass(LISTEN_MS);
    expect(self.state).toBe('ready');
    await joining.begin();
    await pass(GATHER_MS);
    expect(self.state).toBe('joining');
  });
});

/** Deadlines that pass then are heard of in the turn after. */
async function pass(ms: number): Promise<void> {
  jest.advanceTimersByTime(ms);
  await nextTurn();
}

function other(id: string, state: ServerState = 'ready'): Member {
  const member = own(id).asMember();
  return { ...member, facts: member.facts && { ...member.facts, state } };
}
