import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { toObjectName } from '#contracts';
import { bytesOf, readAll, readObject } from '../testing/fixtures.js';
import type { FileShardStore } from './file-shard-store.js';
import { StoreFixture, filesIn, flipBit } from './store-fixture.js';

let fixture: StoreFixture;
let path: string;
let store: FileShardStore;
beforeEach(async () => {
  fixture = new StoreFixture();
  path = await fixture.directory();
  store = await fixture.open(path, { packSizeBytes: 64 * 1024 });
});
afterEach(() => fixture.dispose());

const names = Array.from({ length: 200 }, (_, index) => toObjectName(`object-${index}`));
const isKept = (index: number) => index % 5 === 0;

/** Fills several packs, then removes four objects of five. */
async function thinOut(): Promise<void> {
  for (const [index, name] of names.entries()) await store.put(name, bytesOf(1000, index), {});
  await Promise.all(names.filter((_, index) => !isKept(index)).map(name => store.remove(name, {})));
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    if (await condition()) return;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  throw new Error('It did not happen in time.');
}

const compacted = () => fixture.events.filter(event => event.kind === 'pack-compacted').length;

describe('Compaction', () => {
  it('reclaims space online, keeps what is alive, and leaves readers alone', async () => {
    await store.put(names[0] ?? toObjectName('x'), bytesOf(1000, 0), {});
    const reader = await store.open(names[0] ?? toObjectName('x'));
    await thinOut();
    const before = (await store.usage()).usedBytes;
    await waitFor(async () => compacted() >= 3);
    expect((await store.usage()).usedBytes).toBeLessThan(before);
    if (reader === undefined) throw new Error('The object is not there.');
    expect((await readAll(reader)).equals(bytesOf(1000, 0))).toBe(true);
    const expectAll = async (from: FileShardStore) => {
      for (const [index, name] of names.entries()) {
        const found = await readObject(from, name);
        expect(found?.equals(bytesOf(1000, index)) ?? !isKept(index)).toBe(true);
      }
    };
    await expectAll(store);
    await expectAll(await fixture.open(await fixture.crashedCopy(path)));
    await store.close();
    await expectAll(await fixture.open(path));
  });

  it('sets a damaged record aside, which goes on answering object-damaged', async () => {
    const victim = names[0] ?? toObjectName('x');
    for (const [index, name] of names.entries()) await store.put(name, bytesOf(1000, index), {});
    const [pack = ''] = await filesIn(path, '.pack');
    await flipBit(pack, Buffer.from('object-0'), 100);
    await Promise.all(names.filter((_, index) => !isKept(index)).map(name => store.remove(name, {})));
    await waitFor(async () => (await readdir(join(path, 'quarantine'))).length === 1);
    await expect(readObject(store, victim)).rejects.toMatchObject({ code: 'object-damaged' });
    await store.close();
    const restarted = await fixture.open(path);
    await expect(readObject(restarted, victim)).rejects.toMatchObject({ code: 'object-damaged' });
    await restarted.put(victim, bytesOf(5), {});
    expect((await readObject(restarted, victim))?.equals(bytesOf(5))).toBe(true);
    expect(await readdir(join(path, 'quarantine'))).toEqual([]);
  });
});
