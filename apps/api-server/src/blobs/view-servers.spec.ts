import { describe, expect, it } from '@jest/globals';
import { ClusterView, LogicalClock, type Member } from '#cluster';
import type { Heartbeat, ServerState } from '#contracts';
import { toServerId } from '#metadata';
import { MemoryShardStore } from '#storage/memory';
import { settle } from '../testing/memory-cluster.js';
import { ViewServers } from './view-servers.js';

function beat(serverId: string, state: ServerState, members: string[] = []): Heartbeat {
  const facts = { serverId, bootId: 'boot', sequence: 1, state, capacityBytes: 2 ** 40, usedBytes: 0, clock: 0 };
  return { address: `${serverId}.test:80`, facts: { ...facts, members: [serverId, ...members] } };
}

async function hear(...beats: Heartbeat[]) {
  const clock = { nowMs: 0 };
  const view = new ClusterView({
    prove: async member => member.key !== 'liar',
    clock: new LogicalClock(),
    expiryMs: 10_000,
    forgetAfterMs: 1_000_000,
    monotonicNowMs: () => clock.nowMs,
  });
  for (const each of beats) view.observe(each);
  await settle();
  const store = new MemoryShardStore();
  return { clock, view, servers: new ViewServers(view, () => store) };
}

describe('ViewServers', () => {
  it('gives shards to ready servers of ours only, and finds those that hold some in every state', async () => {
    const states = ['ready', 'read-only', 'joining', 'leaving'] as const;
    const peer: Heartbeat = { address: 'peer.test:80' };
    const { servers } = await hear(...states.map(state => beat(state, state)), beat('liar', 'ready'), peer);
    expect(servers.candidates().map(({ key }) => key)).toEqual(['ready']);
    expect(servers.countFull()).toBe(1);
    for (const state of states) expect(servers.find(toServerId(state))?.key).toBe(state);
    expect(servers.find(toServerId('liar'))).toBeUndefined();
    expect(servers.find(toServerId('peer:peer.test:80'))).toBeUndefined();
  });

  it('leaves suspects out at once, and still finds them', async () => {
    const { view, servers } = await hear(beat('a', 'ready'), beat('b', 'ready'));
    expect(servers.candidates()).toHaveLength(2);
    view.suspect(servers.find(toServerId('a')) as Member);
    expect(servers.candidates().map(({ key }) => key)).toEqual(['b']);
    expect(servers.find(toServerId('a'))?.suspect).toBe(true);
  });

  it('gives up none, and limits no scheme, before those that live have been heard', async () => {
    const { clock, view, servers } = await hear(beat('a', 'ready', ['b']));
    view.busChanged('up');
    const absent = toServerId('absent');
    expect([servers.countExpected(), servers.isForgotten(absent)]).toEqual([Number.POSITIVE_INFINITY, false]);
    clock.nowMs = 6001;
    expect([servers.countExpected(), servers.isForgotten(absent)]).toEqual([2, true]);
    expect(servers.isForgotten(toServerId('b'))).toBe(false);
  });

  it('takes a server for gone only once it was forgotten, and never before it can know', async () => {
    const { clock, view, servers } = await hear();
    const isGone = (id: string) => servers.isForgotten(toServerId(id));
    expect([isGone('away'), isGone('stranger')]).toEqual([false, false]);
    view.busChanged('up');
    clock.nowMs = 6001;
    expect(isGone('stranger')).toBe(false);
    view.observe(beat('a', 'ready', ['away']));
    await settle();
    expect([isGone('a'), isGone('away'), isGone('stranger')]).toEqual([false, false, true]);
    view.forget('away');
    expect(isGone('away')).toBe(true);
    view.observe(beat('liar', 'ready'));
    await settle();
    expect(isGone('liar')).toBe(false);
  });

  it('counts servers that are missing, so that an outage does not lower what is written', async () => {
    const { servers } = await hear(beat('a', 'ready', ['b', 'c', 'd']));
    expect([servers.countKnown(), servers.candidates().length]).toEqual([4, 1]);
  });
});
