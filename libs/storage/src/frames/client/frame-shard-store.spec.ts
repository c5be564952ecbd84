import { describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashName, toObjectName, type ObjectName } from '#contracts';
import { FileShardStore, openStorageDirectory } from '../../file/index.js';
import { MemoryShardStore } from '../../memory/index.js';
import { RemoteStores } from '../../remote/remote-stores.js';
import type { ListedEntry } from '../../shard-store.js';
import { readObject } from '../../testing/fixtures.js';
import { ALL_ABILITIES, describeShardStore, type StoreUnderTest } from '../../testing/index.js';
import { MeteredStore } from '../../testing/metered-store.js';
import { PATIENT } from '../../testing/patient.js';
import { until } from '../../testing/until.js';
import type { ServedStore } from '../server/endpoint-options.js';
import { serveFrames } from '../testing/serve-frames.js';

describeShardStore('FrameShardStore before a memory store', () => reach(new MemoryShardStore(), async () => {}), {
  ...ALL_ABILITIES,
  catalog: false,
});

describeShardStore(
  'FrameShardStore before a file store',
  async () => {
    const path = await mkdtemp(join(tmpdir(), 'granary-frames-'));
    const store = await FileShardStore.open(await openStorageDirectory(path));
    return reach(store, async () => {
      await store.close();
      await rm(path, { recursive: true });
    });
  },
  { ...ALL_ABILITIES, catalog: false },
);

describeShardStore(
  'FrameShardStore of the space of shards, with a secret',
  () => {
    const authKey = Buffer.alloc(32, 'key');
    return reach(new MemoryShardStore(), async () => {}, { space: 'shards', authKey });
  },
  { ...ALL_ABILITIES, catalog: false },
);

async function reach(
  store: ServedStore,
  disposeStore: () => Promise<void>,
  { space = 'objects', authKey }: { space?: 'objects' | 'shards'; authKey?: Buffer } = {},
): Promise<StoreUnderTest> {
  const served = await serveFrames({ spaces: { [space]: store }, authKey });
  const stores = new RemoteStores({ ...PATIENT, authKey });
  return {
    store: stores.storeAt(served.address, 'frames', { space, serverId: 'ds-1' }),
    dispose: async () => {
      stores.close();
      await served.close();
      await disposeStore();
    },
  };
}

async function collect(batches: AsyncIterable<readonly ListedEntry[]>): Promise<ListedEntry[]> {
  const entries: ListedEntry[] = [];
  for await (const batch of batches) entries.push(...batch);
  return entries;
}

describe('an upload', () => {
  it.each([{ length: 600 }, {}])('told %j, whose sender is slower than the stall time is waited for', async options => {
    const memory = new MemoryShardStore();
    const failures: string[] = [];
    const served = await serveFrames({
      spaces: { objects: memory },
      stallTimeoutMs: 800,
      onFailure: (_operation, { code }) => failures.push(code),
    });
    const stores = new RemoteStores({ stallMs: 800 });
    const store = stores.storeAt(served.address, 'frames');
    const key = toObjectName('slow');
    const writer = await store.create(key, options);
    await sleep(1300);
    for (let sent = 0; sent < 600; sent += 200) await writer.write(Buffer.alloc(200, sent));
    await sleep(1300);
    expect((await writer.commit()).size).toBe(600);
    expect(failures).toEqual([]);
    expect(await store.stat(key)).toMatchObject({ size: 600 });
    stores.close();
    await served.close();
  });

  it('that nobody goes on with is kept open until it is aborted, and leaves nothing', async () => {
    const memory = new MemoryShardStore();
    const served = await serveFrames({ spaces: { objects: memory }, stallTimeoutMs: 800 });
    const stores = new RemoteStores({ stallMs: 800 });
    const key = toObjectName('left');
    const writer = await stores.storeAt(served.address, 'frames').create(key, { length: 600 });
    await writer.write(Buffer.alloc(200));
    await sleep(1300);
    const connections = () =>
      new Promise<number>(resolve => served.server.getConnections((_error, count) => resolve(count)));
    expect(await connections()).toBe(1);
    await writer.abort();
    await until('it is closed', async () => (await connections()) === 0);
    expect(memory.has(key)).toBe(false);
    stores.close();
    await served.close();
  });
});

describe('many long transfers', () => {
  it('leave each turn of the event loop of the data server to others', async () => {
    const [transfers, pieces] = [8, 32];
    const piece = Buffer.alloc(256 * 1024, 'x');
    const names = Array.from({ length: transfers }, (_, index) => toObjectName(`long ${index}`));
    const metered = new MeteredStore();
    const served = await serveFrames({ spaces: { objects: metered } });
    const stores = new RemoteStores(PATIENT);
    const store = stores.storeAt(served.address, 'frames');
    // Two turns', the piece with which each of them begins, and what of its last turn it had no bytes for.
    const mostBytes = (2 + 2 * transfers) * piece.length;

    await Promise.all(
      names.map(async name => {
        const writer = await store.create(name, {});
        for (let sent = 0; sent < pieces; sent++) await writer.write(piece);
        await writer.commit();
      }),
    );
    expect(metered.mostBytesPerTurn).toBeLessThanOrEqual(mostBytes);

    metered.mostBytesPerTurn = 0;
    const read = await Promise.all(names.map(name => readObject(store, name)));
    expect(read.map(bytes => bytes?.length)).toEqual(names.map(() => pieces * piece.length));
    expect(metered.mostBytesPerTurn).toBeLessThanOrEqual(mostBytes);
    stores.close();
    await served.close();
  });
});

describe('a list', () => {
  it('tells everything, with names where asked, in batches that wait for their reader', async () => {
    const memory = new MemoryShardStore();
    const written = new Map<string, ObjectName>();
    for (let i = 0; i < 3000; i++) {
      const name = toObjectName(`object ${i}`);
      await memory.put(name, Buffer.from('x'), {});
      written.set(hashName(name), name);
    }
    const removed = toObjectName('object 7');
    await memory.remove(removed, { remember: true });
    const served = await serveFrames({ spaces: { objects: memory } });
    const stores = new RemoteStores(PATIENT);
    const store = stores.storeAt(served.address, 'frames');

    const plain = await collect(store.list());
    expect(new Set(plain.map(({ hash }) => hash))).toEqual(new Set(written.keys()));
    expect(plain.find(({ hash }) => hash === hashName(removed))).toMatchObject({ removed: true });
    expect(plain.every(({ name }) => name === undefined)).toBe(true);

    const named = await collect(store.list({ names: true }));
    for (const { hash, name } of named) expect(name).toBe(hash === hashName(removed) ? undefined : written.get(hash));

    for await (const batch of store.list({ names: true })) {
      expect(batch.length).toBeGreaterThan(0);
      break;
    }
    expect(await store.stat(toObjectName('object 1'))).toMatchObject({ size: 1 });
    stores.close();
    await served.close();
  });
});

describe('a space', () => {
  it('that is not kept is refused, and is another than the others', async () => {
    const [objects, shards] = [new MemoryShardStore(), new MemoryShardStore()];
    const key = toObjectName('k');
    const both = await serveFrames({ spaces: { objects, shards } });
    const one = await serveFrames({ spaces: { objects } });
    const stores = new RemoteStores(PATIENT);
    await stores.storeAt(both.address, 'frames', { space: 'shards' }).put(key, Buffer.from('x'), {});
    expect(objects.has(key)).toBe(false);
    expect(shards.has(key)).toBe(true);
    const absent = stores.storeAt(one.address, 'frames', { space: 'shards' });
    const refused = { code: 'data-server-unavailable', reason: 'answer' };
    await expect(absent.put(key, Buffer.from('x'), {})).rejects.toMatchObject(refused);
    await expect(absent.open(key)).rejects.toMatchObject(refused);
    await expect(absent.create(key, {})).rejects.toMatchObject(refused);
    stores.close();
    await Promise.all([both.close(), one.close()]);
  });
});
