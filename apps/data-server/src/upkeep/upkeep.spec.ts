import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { hashName, toObjectName, type KeyHash, type Note } from '#contracts';
import type { CatalogEntry, ShardCatalog } from '#storage';
import { MemoryShardStore } from '#storage/memory';
import { silentLogger } from '#telemetry';
import { BackgroundLoop } from './background-loop.js';
import { ByteBudget } from './byte-budget.js';
import { compareNotes } from './compare-notes.js';
import { InHand } from './in-hand.js';
import { readCatalog } from './read-catalog.js';

const ENTRIES = 50_000;
const MS_PER_ENTRY = 0.01;
const RETRY_MS = 100;
const name = toObjectName('a');
const hash = hashName(name);
const note = (stamp: number, removed = false): Note => ({ hash, stamp, removed });

describe('compareNotes', () => {
  it('tells older from wanted from same', async () => {
    const { store, ask } = receiver();
    expect(await ask(note(5))).toEqual({ is: 'wanted' });
    const { etag } = await store.put(name, Buffer.from('x'), { stamp: 5 });
    expect(await ask(note(4))).toEqual({ is: 'older' });
    expect(await ask(note(5))).toEqual({ is: 'same', etag });
    expect(await ask(note(6))).toEqual({ is: 'wanted' });
    expect(store.has(name)).toBe(true);
  });

  it('takes a removal over at once, under its own stamp', async () => {
    const { store, ask } = receiver();
    expect(await ask(note(5, true))).toEqual({ is: 'same' });
    expect(store.entry(hash)).toEqual({ hash, stamp: 5, removed: true });
    await store.put(name, Buffer.from('x'), { stamp: 7 });
    expect(await ask(note(6, true))).toEqual({ is: 'older' });
    expect(store.has(name)).toBe(true);
    expect(await ask(note(7, true))).toEqual({ is: 'same' });
    expect(store.has(name)).toBe(false);
    expect(await ask(note(7))).toEqual({ is: 'older' });
  });

  it('gives no word on which another could drop its copy while its own is in hand', async () => {
    const { store, inHand, ask } = receiver();
    await store.put(name, Buffer.from('x'), { stamp: 5 });
    inHand.take([{ hash }]);
    expect(await ask(note(5))).toEqual({ is: 'busy' });
    expect(await ask(note(4))).toEqual({ is: 'older' });
    inHand.release(hash);
    expect(await ask(note(5))).toMatchObject({ is: 'same' });
  });

  it('drops an outdated copy at once while joining', async () => {
    const { store, ask } = receiver(true);
    await store.put(name, Buffer.from('x'), { stamp: 5 });
    expect(await ask(note(6))).toEqual({ is: 'wanted' });
    expect(store.entry(hash)).toBeUndefined();
  });
});

describe('readCatalog', () => {
  it('lets others run every few milliseconds', async () => {
    // By a clock of its own, which each entry moves on: what else the machine does is no fault of the reader.
    const clock = jest.spyOn(performance, 'now').mockReturnValue(0);
    let [count, readInTurn, longest] = [0, 0, 0];
    const reading = new AbortController();
    const others = (async () => {
      for (; !reading.signal.aborted; readInTurn = 0) await nextTurn();
    })();
    await readCatalog(
      { entries: manyEntries } as Pick<ShardCatalog, 'entries'> as ShardCatalog,
      () => {
        clock.mockReturnValue((count += 1) * MS_PER_ENTRY);
        longest = Math.max(longest, (readInTurn += 1));
        return undefined;
      },
      () => false,
    );
    reading.abort();
    await others;
    clock.mockRestore();
    expect(count).toBe(ENTRIES);
    expect(longest * MS_PER_ENTRY).toBeLessThan(10);
  });

  it('ends when it is cancelled', async () => {
    const store = new MemoryShardStore();
    for (let index = 0; index < 10; index += 1) await store.put(toObjectName(`${index}`), Buffer.from('x'), {});
    let count = 0;
    await readCatalog(
      store,
      async () => void (count += 1),
      () => count === 3,
    );
    expect(count).toBe(3);
  });
});

describe('ByteBudget', () => {
  it('spreads bytes over time, in the order of asking', async () => {
    const budget = new ByteBudget(100_000);
    const startedMs = performance.now();
    const order: number[] = [];
    await Promise.all([10_000, 5000, 1].map((bytes, index) => budget.take(bytes).then(() => order.push(index))));
    expect(order).toEqual([0, 1, 2]);
    expect(performance.now() - startedMs).toBeGreaterThan(140);
  });

  it('gives up waiting when it is told to', async () => {
    const budget = new ByteBudget(1);
    await budget.take(1000);
    await expect(budget.take(1, AbortSignal.timeout(10))).rejects.toThrow();
  });
});

describe('BackgroundLoop', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('rests when nothing is left, until it is woken', async () => {
    const { loop, passes } = loopOf([]);
    loop.start();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(passes()).toBe(1);
    loop.wake();
    await jest.advanceTimersByTimeAsync(0);
    expect(passes()).toBe(2);
    await loop.stop();
  });

  it('retries what was left and what failed, and is not woken for it by other work', async () => {
    const { loop, passes } = loopOf([false, new Error('a bug')]);
    loop.start();
    await jest.advanceTimersByTimeAsync(RETRY_MS / 2);
    loop.wake();
    await jest.advanceTimersByTimeAsync(RETRY_MS / 2 - 1);
    expect(passes()).toBe(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(passes()).toBe(2);
    await jest.advanceTimersByTimeAsync(2 * RETRY_MS - 1);
    expect(passes()).toBe(2);
    await jest.advanceTimersByTimeAsync(1);
    expect(passes()).toBe(3);
    await jest.advanceTimersByTimeAsync(10 * RETRY_MS);
    expect(passes()).toBe(3);
    await loop.stop();
  });

  it('hurries when the circumstances change', async () => {
    const { loop, passes } = loopOf([false]);
    loop.start();
    await jest.advanceTimersByTimeAsync(1);
    loop.hurry();
    await jest.advanceTimersByTimeAsync(0);
    expect(passes()).toBe(2);
    await loop.stop();
  });
});

function receiver(isJoining = false) {
  const store = new MemoryShardStore();
  const inHand = new InHand();
  const ask = async (asked: Note) => {
    const [verdict] = await compareNotes({ store, inHand, isJoining: () => isJoining }, [asked]);
    return verdict;
  };
  return { store, inHand, ask };
}

function* manyEntries(): Iterable<CatalogEntry> {
  for (let index = 0; index < ENTRIES; index += 1) yield { hash: `${index}` as KeyHash, stamp: 1, removed: false };
}

function loopOf(results: (boolean | Error)[]) {
  let passes = 0;
  const pass = async () => {
    const result = results[passes++] ?? true;
    if (result instanceof Error) throw result;
    return result;
  };
  const options = { pass, retryMs: RETRY_MS, maxRetryMs: 10 * RETRY_MS, logger: silentLogger };
  return { passes: () => passes, loop: new BackgroundLoop(options) };
}
