import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { toObjectName } from '#contracts';
import { bytesOf, readObject } from '../testing/fixtures.js';
import type { DiskSpace } from './disk.js';
import { StoreFixture, faultyDisk, systemError } from './store-fixture.js';

const FULL = { code: 'storage-full' };
const MIB = 1024 * 1024;
const key = toObjectName('key');

let fixture: StoreFixture;
let space: DiskSpace;
beforeEach(() => {
  fixture = new StoreFixture();
  space = { capacityBytes: 1024 * MIB, freeBytes: 500 * MIB, freeInodes: 1000 };
});
afterEach(() => fixture.dispose());

function disk() {
  return faultyDisk(() => ({ space: async () => space }));
}

describe('A store on a disk that fills up', () => {
  it('refuses before the body, says why, removes and reads as ever, and heals within 5 s', async () => {
    const store = await fixture.open(await fixture.directory(), { disk: disk() });
    await store.put(key, bytesOf(100), {});
    const seen: (string | undefined)[] = [];
    space = { ...space, freeBytes: MIB };
    await eventually(async () => {
      seen.push((await store.usage()).readOnlyReason);
      expect(seen.at(-1)).toContain('disk full');
    });
    await expect(store.put(toObjectName('other'), bytesOf(100), {})).rejects.toMatchObject(FULL);
    await expect(store.create(toObjectName('other'), {})).rejects.toMatchObject(FULL);
    expect((await readObject(store, key))?.length).toBe(100);
    expect((await store.remove(key, {})).existed).toBe(true);
    space = { ...space, freeBytes: 500 * MIB };
    await eventually(async () => {
      await store.put(key, bytesOf(100), {});
    });
    expect((await store.usage()).readOnlyReason).toBeUndefined();
    expect(fixture.events.filter(event => event.kind === 'read-only')).toHaveLength(2);
  });

  it('refuses a declared length that does not fit, beside what others were promised', async () => {
    const store = await fixture.open(await fixture.directory(), { disk: disk() });
    await expect(store.create(key, { length: 490 * MIB })).rejects.toMatchObject(FULL);
    const writer = await store.create(key, { length: 400 * MIB });
    await expect(store.create(toObjectName('other'), { length: 100 * MIB })).rejects.toMatchObject(FULL);
    await writer.abort();
    await (await store.create(toObjectName('other'), { length: 100 * MIB })).abort();
  });

  it('stops a body of unknown length that outgrows it', async () => {
    space = { ...space, freeBytes: 21 * MIB };
    const store = await fixture.open(await fixture.directory(), { disk: disk() });
    const writer = await store.create(key, {});
    const growing = async () => {
      for (let count = 0; count < 8; count += 1) await writer.write(bytesOf(256 * 1024));
    };
    await expect(growing()).rejects.toMatchObject(FULL);
    await writer.abort();
    expect(await store.stat(key)).toBeUndefined();
  });

  it('without inodes is full', async () => {
    space = { ...space, freeInodes: 0 };
    const store = await fixture.open(await fixture.directory(), { disk: disk() });
    await expect(store.put(key, bytesOf(1), {})).rejects.toMatchObject(FULL);
    expect((await store.usage()).readOnlyReason).toContain('inodes');
  });

  it('gives up its reserve for a removal that finds no space at all', async () => {
    let noSpace = false;
    const faulty = faultyDisk(real => ({
      write: async (...parameters) => {
        if (noSpace) throw systemError('ENOSPC');
        return real.write(...parameters);
      },
      unlink: async path => {
        if (path.endsWith('reserve')) noSpace = false;
        return real.unlink(path);
      },
    }));
    const path = await fixture.directory();
    const store = await fixture.open(path, { disk: faulty });
    await store.put(key, bytesOf(100), {});
    noSpace = true;
    expect((await store.remove(key, {})).existed).toBe(true);
    const restarted = await fixture.open(await fixture.crashedCopy(path));
    expect(restarted.has(key)).toBe(false);
  });
});

async function eventually(task: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    try {
      return await task();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }
}
