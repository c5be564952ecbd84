import { readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hashName, toObjectName } from '#contracts';
import { bytesOf, readObject, writeObject } from '../testing/fixtures.js';
import { StoreFixture, filesIn } from './store-fixture.js';

let fixture: StoreFixture;
beforeEach(() => {
  fixture = new StoreFixture();
});
afterEach(() => fixture.dispose());

const key = toObjectName('key');

describe('A store that starts again', () => {
  it('has what it had, after a clean end or a crash, whatever happened before', async () => {
    const slots = ['a', 'b', 'c', 'd'].map(toObjectName);
    const step = fc.record({
      what: fc.constantFrom('small', 'small', 'large', 'remove', 'forget', 'crash', 'restart'),
      slot: fc.nat({ max: 3 }),
      seed: fc.nat({ max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
        let path = await fixture.directory();
        let store = await fixture.open(path, { packSizeBytes: 8192 });
        const model = new Map<string, Buffer>();
        for (const { what, slot, seed } of [...steps, { what: 'crash', slot: 0, seed: 0 }]) {
          const name = slots[slot] ?? key;
          if (what === 'small' || what === 'large') {
            const bytes = bytesOf(what === 'small' ? 500 + seed : 70_000 + seed, seed);
            await writeObject(store, name, bytes, { length: bytes.length });
            model.set(name, bytes);
          } else if (what === 'remove') {
            expect((await store.remove(name, {})).existed).toBe(model.delete(name));
          } else if (what === 'forget') {
            await store.forget(hashName(name), Number.MAX_SAFE_INTEGER);
            model.delete(name);
          } else {
            if (what === 'restart') await store.close();
            else path = await fixture.crashedCopy(path);
            store = await fixture.open(path, { packSizeBytes: 8192 });
          }
        }
        for (const name of slots) {
          const found = await readObject(store, name);
          expect(found?.equals(model.get(name) ?? Buffer.alloc(0)) ?? !model.has(name)).toBe(true);
          expect(store.has(name)).toBe(model.has(name));
        }
        expect((await store.usage()).objects).toBe(model.size);
        expect((await store.usage()).damagedObjects).toBe(0);
      }),
      { numRuns: 15 },
    );
  });

  it('ignores a write that was cut off at any byte, and keeps what was acknowledged before', async () => {
    const path = await fixture.directory();
    const store = await fixture.open(path);
    await store.put(key, bytesOf(300, 1), {});
    const [before] = await sizes(path);
    await store.put(key, bytesOf(300, 2), {});
    const [after] = await sizes(path);
    if (before === undefined || after === undefined) throw new Error('There is no pack.');
    for (let cut = before.size; cut < after.size; cut += 61) {
      const crashed = await fixture.crashedCopy(path);
      const [pack = ''] = await filesIn(crashed, '.pack');
      await truncate(pack, cut);
      const restarted = await fixture.open(crashed);
      expect((await readObject(restarted, key))?.equals(bytesOf(300, 1))).toBe(true);
      expect((await restarted.usage()).damagedObjects).toBe(0);
      await restarted.close();
    }
  });

  it('sweeps temporary and overwritten files', async () => {
    const path = await fixture.directory();
    const store = await fixture.open(path);
    await writeObject(store, key, bytesOf(70_000), { length: 70_000 });
    const writer = await store.create(toObjectName('unfinished'), { length: 100_000 });
    await writer.write(bytesOf(50_000));
    const crashed = await fixture.crashedCopy(path);
    await writer.abort();
    expect(await readdir(join(crashed, 'tmp'))).toHaveLength(1);
    await fixture.open(crashed);
    expect(await readdir(join(crashed, 'tmp'))).toEqual([]);
  });

  it('tells stamps, tombstones and its latest stamp as before', async () => {
    const path = await fixture.directory();
    const store = await fixture.open(path);
    await store.put(key, bytesOf(5), { stamp: 5000 });
    await store.remove(toObjectName('gone'), { stamp: 7000, remember: true });
    await writeObject(store, toObjectName('large'), bytesOf(70_000), { stamp: 6000 });
    const entries = new Set([...store.entries()].map(entry => JSON.stringify(entry)));
    await store.close();
    const restarted = await fixture.open(path);
    expect(new Set([...restarted.entries()].map(entry => JSON.stringify(entry)))).toEqual(entries);
    expect(restarted.latestStamp()).toBe(7000);
  });
});

async function sizes(path: string): Promise<{ file: string; size: number }[]> {
  const files = await filesIn(path, '.pack');
  return Promise.all(files.map(async file => ({ file, size: (await stat(file)).size })));
}
