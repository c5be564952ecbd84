import { expect } from '@jest/globals';
import { hashName } from '#contracts';
import type { CatalogEntry } from '../shard-store.js';
import type { SuiteContext } from './store-under-test.js';
import { bytesOf, freshKey, writeObject } from './fixtures.js';

const LENGTHS = [10, 70_000];

export function catalogCases({ store, catalog, itIf }: SuiteContext): void {
  const test = itIf('catalog');

  test.each(LENGTHS)('knows what is here and what was removed (%d bytes)', async length => {
    const key = freshKey();
    const hash = hashName(key);
    expect(catalog().has(key)).toBe(false);
    expect(catalog().entry(hash)).toBeUndefined();
    const { stamp } = await writeObject(store(), key, bytesOf(length), { length });
    expect(catalog().has(key)).toBe(true);
    expect(catalog().entry(hash)).toEqual({ hash, stamp, removed: false });
    expect([...catalog().entries()]).toContainEqual({ hash, stamp, removed: false });
    expect(await catalog().nameOf(hash)).toBe(key);
    expect(catalog().latestStamp()).toBeGreaterThanOrEqual(stamp);
    const removal = await store().remove(key, {});
    expect(catalog().has(key)).toBe(false);
    expect(catalog().entry(hash)).toEqual({ hash, stamp: removal.stamp, removed: true });
    expect([...catalog().entries()]).toContainEqual({ hash, stamp: removal.stamp, removed: true });
  });

  test.each(LENGTHS)('forgets what is old enough, and nothing newer (%d bytes)', async length => {
    const key = freshKey();
    const hash = hashName(key);
    await writeObject(store(), key, bytesOf(length), { length, stamp: 1000 });
    await catalog().forget(hash, 999);
    expect(catalog().has(key)).toBe(true);
    await catalog().forget(hash, 1000);
    expect(catalog().has(key)).toBe(false);
    expect(catalog().entry(hash)).toBeUndefined();
    expect(await catalog().nameOf(hash)).toBeUndefined();
    expect(await store().open(key)).toBeUndefined();
    expect((await store().remove(key, { stamp: 1000 })).existed).toBe(false);
    const back = await writeObject(store(), key, bytesOf(length), { length, stamp: 900, move: { modifiedMs: 5 } });
    expect(back.stamp).toBe(900);
    expect(catalog().has(key)).toBe(true);
    await store().remove(key, {});
    await catalog().forget(hash, Number.MAX_SAFE_INTEGER);
    expect(catalog().entry(hash)).toBeUndefined();
  });

  test.each(LENGTHS)('buries under exactly the stamp what is not newer (%d bytes)', async length => {
    const [key, absent] = [freshKey(), freshKey()];
    const hash = hashName(key);
    await writeObject(store(), key, bytesOf(length), { length, stamp: 1000 });
    await catalog().bury(hash, 999);
    expect(catalog().entry(hash)).toEqual({ hash, stamp: 1000, removed: false });
    await catalog().bury(hash, 1000);
    expect(catalog().entry(hash)).toEqual({ hash, stamp: 1000, removed: true });
    expect(await store().open(key)).toBeUndefined();
    await catalog().bury(hash, 2000);
    await catalog().bury(hash, 1500);
    expect(catalog().entry(hash)).toEqual({ hash, stamp: 2000, removed: true });
    await catalog().bury(hashName(absent), 7);
    expect(catalog().entry(hashName(absent))).toEqual({ hash: hashName(absent), stamp: 7, removed: true });
  });

  test('tells of each change until told to stop', async () => {
    const key = freshKey();
    const seen: CatalogEntry[] = [];
    const stop = catalog().onChange(entry => seen.push(entry));
    const { stamp } = await store().put(key, bytesOf(1), {});
    const removal = await store().remove(key, {});
    stop();
    await store().put(key, bytesOf(1), {});
    expect(seen).toEqual([
      { hash: hashName(key), stamp, removed: false },
      { hash: hashName(key), stamp: removal.stamp, removed: true },
    ]);
  });

  test('counts what is used', async () => {
    const before = await catalog().usage();
    const keys = [freshKey(), freshKey()];
    for (const [index, key] of keys.entries()) {
      await writeObject(store(), key, bytesOf(LENGTHS[index] ?? 0), {});
    }
    const after = await catalog().usage();
    expect(after.objects - before.objects).toBe(2);
    expect(after.usedBytes - before.usedBytes).toBeGreaterThanOrEqual(70_010);
    expect(after.readOnlyReason).toBeUndefined();
    expect(after.capacityBytes).toBeGreaterThanOrEqual(after.freeBytes);
  });
}
