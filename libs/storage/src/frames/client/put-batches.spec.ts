import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { GranaryError, toObjectName } from '#contracts';
import { MemoryShardStore } from '../../memory/index.js';
import { RemoteStores, type RemoteStoresOptions } from '../../remote/remote-stores.js';
import type { ShardStore } from '../../shard-store.js';
import { PATIENT } from '../../testing/patient.js';
import { BATCH_LIMITS } from '../codec/frame-types.js';
import { serveFrames, type FrameServer } from '../testing/serve-frames.js';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const name = (index: number) => toObjectName(`object ${index}`);
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** A store whose puts wait until they are let go, and one that reaches it. */
async function reach(options: RemoteStoresOptions = {}) {
  const memory = new MemoryShardStore();
  const put = memory.put.bind(memory);
  const begun: string[] = [];
  let letGo: (() => void) | undefined;
  let gate = Promise.resolve();
  memory.put = async (key, bytes, how) => {
    begun.push(key);
    await gate;
    return put(key, bytes, how);
  };
  const served = await serveFrames({ spaces: { shards: memory } });
  const stores = new RemoteStores({ ...PATIENT, ...options });
  cleanups.push(
    () => served.close(),
    () => stores.close(),
    () => letGo?.(),
  );
  const store = stores.storeAt(served.address, 'frames', { space: 'shards' });
  return {
    store,
    memory,
    served,
    begun,
    hold: () => {
      gate = new Promise(resolve => (letGo = resolve));
    },
    letGo: () => letGo?.(),
  };
}

const connectionsTo = (served: FrameServer) =>
  new Promise(resolve => served.server.getConnections((_error, count) => resolve(count)));

const putAll = (store: ShardStore, indexes: readonly number[], bytes = Buffer.from('x')) =>
  indexes.map(index => store.put(name(index), bytes, {}));

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !holds(); tries += 1) await sleep(10);
  expect(holds()).toBe(true);
}

describe('small puts to one server', () => {
  it('that come while others are on their way go together, on one connection', async () => {
    const { store, memory, served, begun, hold, letGo } = await reach();
    hold();
    const first = putAll(store, [0, 1, 2]);
    await until(() => begun.length === 3);
    const others = putAll(store, numbers(40));
    await sleep(50);
    expect(begun).toHaveLength(3);
    letGo();
    const infos = await Promise.all([...first, ...others]);
    expect(infos.every(({ size }) => size === 1)).toBe(true);
    expect(await connectionsTo(served)).toBe(1);
    for (const index of numbers(40)) expect(memory.has(name(index))).toBe(true);
  });

  it('are never more than a batch may have, in number and in bytes', async () => {
    const { store, begun, hold, letGo } = await reach();
    hold();
    const many = putAll(store, numbers(BATCH_LIMITS.puts + 10));
    await until(() => begun.length === BATCH_LIMITS.puts);
    letGo();
    await Promise.all(many);

    hold();
    const before = begun.length;
    const large = putAll(store, numbers(5), Buffer.alloc(64 * 1024));
    await until(() => begun.length === before + 4);
    await sleep(50);
    expect(begun).toHaveLength(before + 4);
    letGo();
    await Promise.all(large);
  });

  it('fail each by itself', async () => {
    const { store, memory } = await reach();
    const put = memory.put;
    memory.put = async (key, bytes, how) => {
      if (key === name(1)) throw new GranaryError('storage-full', 'No space.');
      return put(key, bytes, how);
    };
    const results = await Promise.allSettled(putAll(store, numbers(3)));
    expect(results).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'storage-full' } },
      { status: 'fulfilled' },
    ]);
  });

  it('that are given up while they wait are not sent, and the others are', async () => {
    const { store, memory, begun, hold, letGo } = await reach();
    hold();
    const first = store.put(name(0), Buffer.from('x'), {});
    await until(() => begun.length === 1);
    const leaving = new AbortController();
    const given = store.put(name(1), Buffer.from('x'), { signal: leaving.signal });
    const kept = store.put(name(2), Buffer.from('x'), {});
    leaving.abort(new Error('left'));
    await expect(given).rejects.toThrow('left');
    letGo();
    await Promise.all([first, kept]);
    expect(memory.has(name(1))).toBe(false);
    expect(memory.has(name(2))).toBe(true);
  });

  it('that are given up when they have been sent reject at once, and take nobody along', async () => {
    const { store, begun, hold, letGo } = await reach();
    hold();
    const leaving = new AbortController();
    const given = store.put(name(1), Buffer.from('x'), { signal: leaving.signal });
    const kept = store.put(name(2), Buffer.from('x'), {});
    await until(() => begun.length === 2);
    leaving.abort(new Error('left'));
    await expect(given).rejects.toThrow('left');
    letGo();
    expect(await kept).toMatchObject({ size: 1 });
  });

  it('all fail with the connection, and those that waited go on another', async () => {
    const { store, served, begun, hold, letGo } = await reach();
    hold();
    const sockets: { destroy(): void }[] = [];
    served.server.on('upgrade', (_request, socket) => sockets.push(socket));
    const first = putAll(store, [0, 1]);
    const failed = Promise.allSettled(first);
    await until(() => begun.length === 2);
    const later = store.put(name(2), Buffer.from('x'), {});
    sockets[0]?.destroy();
    for (const result of await failed) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'data-server-unavailable' } });
    }
    letGo();
    expect(await later).toMatchObject({ size: 1 });
  });

  it('that wait for a server that cannot be reached fail with those before them', async () => {
    const { store, served } = await reach({ connectMs: 400 });
    await served.close();
    const results = await Promise.allSettled(putAll(store, numbers(BATCH_LIMITS.puts * 3)));
    const unreachable = { status: 'rejected', reason: { code: 'data-server-unavailable', mayHaveHappened: false } };
    for (const result of results) expect(result).toMatchObject(unreachable);
  });

  it('wait for no longer than they may, and no more of them than may', async () => {
    const { store, begun, hold, letGo } = await reach({ waitMs: 300 });
    hold();
    const first = store.put(name(0), Buffer.from('x'), {});
    await until(() => begun.length === 1);
    const unreachable = { code: 'data-server-unavailable', reason: 'unreachable', mayHaveHappened: false };
    await expect(store.put(name(1), Buffer.from('x'), {})).rejects.toMatchObject(unreachable);
    const startedMs = performance.now();
    const large = Buffer.alloc(64 * 1024);
    const many = await Promise.allSettled(numbers(300).map(index => store.put(name(index), large, {})));
    expect(performance.now() - startedMs).toBeGreaterThan(250);
    for (const result of many) expect(result).toMatchObject({ status: 'rejected', reason: unreachable });
    expect(begun).toHaveLength(1);
    const tooMuch = many.filter(result => result.status === 'rejected' && String(result.reason).includes('too much'));
    expect(tooMuch).toHaveLength(300 - Math.floor((16 * 1024) / 65));
    letGo();
    await first;
    await store.put(name(2), Buffer.from('x'), {});
  });

  it('do not wait for what those before them waited for in vain', async () => {
    const { store, begun, hold } = await reach({ answerMs: 200, commitMs: 400, waitMs: 60_000 });
    hold();
    const first = store.put(name(0), Buffer.from('x'), {});
    const failed = expect(first).rejects.toMatchObject({ reason: 'timeout', mayHaveHappened: true });
    await until(() => begun.length === 1);
    const behind = putAll(store, numbers(BATCH_LIMITS.puts * 2));
    for (const put of behind) await expect(put).rejects.toMatchObject({ reason: 'timeout', mayHaveHappened: false });
    await failed;
    expect(begun).toHaveLength(1);
  });
});
