import type { ShardReader, ShardStore } from '#storage';
import { MemoryShardStore } from '#storage/memory';
import { KIB } from './start-server.js';

/** Stores that behave in ways the memory store never does. */

export function wrap(store: ShardStore, changed: Partial<ShardStore>): ShardStore {
  return {
    put: (...args) => store.put(...args),
    create: (...args) => store.create(...args),
    open: (...args) => store.open(...args),
    stat: (...args) => store.stat(...args),
    remove: (...args) => store.remove(...args),
    ...changed,
  };
}

/** An open that tells nothing but the bytes, like that of a peer. */
export function withoutFacts(store: ShardStore, copyTo?: ShardReader['copyTo']): ShardStore['open'] {
  return async key => {
    const reader = await store.open(key);
    if (reader === undefined) return undefined;
    const info = { size: undefined, etag: undefined, stamp: 0, modifiedMs: undefined, crc32c: undefined };
    return { ...reader, ...(copyTo && { copyTo }), info };
  };
}

/** Feeds some zeros, then rejects with the error, or ends as if that were all. */
export function failingCopy(bytes: number, error: unknown): ShardReader['copyTo'] {
  return async sink => {
    for (let fed = 0; fed < bytes; fed += 64 * KIB) await sink(Buffer.alloc(64 * KIB));
    if (error !== undefined) throw error;
  };
}

/** Its readers fail after some bytes. */
export function failAfter(bytes: number, error: unknown): ShardStore {
  const memory = new MemoryShardStore();
  return wrap(memory, {
    open: async key => {
      const reader = await memory.open(key);
      return reader && { ...reader, copyTo: failingCopy(bytes, error) };
    },
  });
}

/** Tells another checksum than the objects have. */
export function falsified(memory: MemoryShardStore): ShardStore {
  return wrap(memory, {
    open: async key => {
      const reader = await memory.open(key);
      return reader && { ...reader, info: { ...reader.info, crc32c: (reader.info.crc32c ?? 0) ^ 1 } };
    },
  });
}

/** Gives a part and then waits for its signal, like a store whose disk or server hangs. */
export const endlessCopy: ShardReader['copyTo'] = async (sink, _range, options) => {
  await sink(Buffer.alloc(KIB));
  await new Promise((_resolve, reject) =>
    options?.signal?.addEventListener('abort', () => reject(new Error('aborted'))),
  );
};
