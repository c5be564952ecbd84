import { copyFile, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { hashName, toObjectName, type ObjectName } from '#contracts';
import { bytesOf, readAll, readObject, writeObject } from '../testing/fixtures.js';
import { until } from '../testing/until.js';
import type { FileShardStore } from './file-shard-store.js';
import { StoreFixture, filesIn, flipBit } from './store-fixture.js';

/** Proves that damaged bytes are never sent, never taken for absence, and cost no other object anything. */

const DAMAGED = { code: 'object-damaged' };
const [first, victim, last] = ['first', 'victim', 'last'].map(toObjectName) as [ObjectName, ObjectName, ObjectName];
const SMALL = 1000;
const LARGE = 300_000;

let fixture: StoreFixture;
let path: string;
beforeEach(async () => {
  fixture = new StoreFixture();
  path = await fixture.directory();
});
afterEach(() => fixture.dispose());

async function fill(store: FileShardStore, length: number): Promise<void> {
  for (const [seed, key] of [first, victim, last].entries()) {
    await writeObject(store, key, bytesOf(length, seed + 1), { length });
  }
}

async function expectOnlyVictimDamaged(store: FileShardStore, length: number): Promise<void> {
  await expect(readObject(store, victim)).rejects.toMatchObject(DAMAGED);
  expect(store.has(victim)).toBe(true);
  await expect(readObject(store, victim)).rejects.toMatchObject(DAMAGED);
  expect((await readObject(store, first))?.equals(bytesOf(length, 1))).toBe(true);
  expect((await readObject(store, last))?.equals(bytesOf(length, 3))).toBe(true);
  expect((await store.usage()).damagedObjects).toBe(1);
}

async function expectHealable(store: FileShardStore, length: number): Promise<void> {
  await expect(store.put(victim, bytesOf(1), { precondition: { ifNoneMatch: '*' } })).rejects.toMatchObject({
    code: 'precondition-failed',
  });
  await writeObject(store, victim, bytesOf(length, 9), { length });
  expect((await readObject(store, victim))?.equals(bytesOf(length, 9))).toBe(true);
  expect((await store.usage()).damagedObjects).toBe(0);
}

describe('A flipped bit in a pack', () => {
  const meta = Buffer.from('victim');
  /** Where, as seen from the name in the record: the header is 80 bytes before the meta, which begins with the tag. */
  const places: [string, number][] = [
    ['payload', 500],
    ['name', 0],
    ['tag', -32],
    ['magic', -112],
    ['length in the header', -112 + 16],
    ['key in the header', -112 + 50],
    ["header's checksum", -112 + 76],
  ];

  it.each(places)('in the %s costs that object only, with and without a restart', async (_, distance) => {
    const store = await fixture.open(path);
    await fill(store, SMALL);
    const [pack = ''] = await filesIn(path, '.pack');
    await flipBit(pack, meta, distance);
    await expectOnlyVictimDamaged(store, SMALL);
    await store.close();
    const restarted = await fixture.open(path);
    await expectOnlyVictimDamaged(restarted, SMALL);
    await expectHealable(restarted, SMALL);
  });

  it.each(places)('in the %s is told from a torn write after a crash', async (_, distance) => {
    const store = await fixture.open(path);
    await fill(store, SMALL);
    const crashed = await fixture.crashedCopy(path);
    const [pack = ''] = await filesIn(crashed, '.pack');
    await flipBit(pack, meta, distance);
    const restarted = await fixture.open(crashed);
    await expectOnlyVictimDamaged(restarted, SMALL);
    await restarted.close();
    await expectHealable(await fixture.open(crashed), SMALL);
  });

  it('in the very last record is told from a torn write, once the store has been idle', async () => {
    const store = await fixture.open(path);
    await store.put(victim, bytesOf(SMALL), {});
    const [written = ''] = await filesIn(path, '.pack');
    const { size } = await stat(written);
    await until('the idle pack has its mark', async () => (await stat(written)).size > size);
    const crashed = await fixture.crashedCopy(path);
    const [pack = ''] = await filesIn(crashed, '.pack');
    await flipBit(pack, meta);
    const restarted = await fixture.open(crashed);
    await expect(readObject(restarted, victim)).rejects.toMatchObject(DAMAGED);
  });

  it('in its hint costs nothing', async () => {
    const store = await fixture.open(path);
    await fill(store, SMALL);
    await store.close();
    const [hint = ''] = await filesIn(path, '.idx');
    await flipBit(hint, Buffer.from(hashName(victim), 'hex'));
    const restarted = await fixture.open(path);
    expect((await readObject(restarted, victim))?.equals(bytesOf(SMALL, 2))).toBe(true);
  });

  it('is no way for stored bytes to pass for records', async () => {
    const store = await fixture.open(path);
    const planted = toObjectName('planted');
    await store.put(planted, bytesOf(SMALL), {});
    const [pack = ''] = await filesIn(path, '.pack');
    const imitation = (await readFile(pack)).subarray(16);
    await store.remove(planted, {});
    await store.close();
    const other = await fixture.directory();
    const target = await fixture.open(other);
    await target.put(victim, Buffer.concat([Buffer.alloc(-(80 + 32 + 6) & 7), imitation]), {});
    await target.put(last, bytesOf(5), {});
    const crashed = await fixture.crashedCopy(other);
    const [targetPack = ''] = await filesIn(crashed, '.pack');
    await flipBit(targetPack, meta, -112);
    const restarted = await fixture.open(crashed);
    expect(restarted.has(planted)).toBe(false);
    await expect(readObject(restarted, victim)).rejects.toMatchObject(DAMAGED);
  });
});

describe('A pack that is gone', () => {
  it('leaves its objects damaged, not absent', async () => {
    const store = await fixture.open(path);
    await store.put(victim, bytesOf(SMALL), {});
    await store.close();
    const [pack = ''] = await filesIn(path, '.pack');
    await rm(pack);
    await expect(readObject(await fixture.open(path), victim)).rejects.toMatchObject(DAMAGED);
  });
});

async function victimFile(): Promise<string> {
  const [file = ''] = await filesIn(path, hashName(victim));
  return file;
}

describe('The file of a large object', () => {
  const injuries: [string, (file: string) => Promise<void>][] = [
    ['with a flipped bit in its bytes', file => flipBit(file, bytesOf(LARGE, 2).subarray(200_000, 200_016))],
    ['with a flipped bit in its footer', file => flipBit(file, Buffer.from('GRNf'), 20)],
    ['with a flipped bit in its name', file => flipBit(file, Buffer.from('victim'))],
    ['truncated', file => truncate(file, 100_000)],
    ['empty', file => truncate(file, 0)],
    ['missing', file => rm(file)],
    ['longer than it was', file => writeFile(file, 'more', { flag: 'a' })],
    [
      "swapped with another's",
      async file => {
        const [other = ''] = await filesIn(path, hashName(last));
        await copyFile(other, file);
      },
    ],
  ];

  it.each(injuries)('%s answers object-damaged, also after a restart, until it is replaced', async (_, injure) => {
    const store = await fixture.open(path);
    await fill(store, LARGE);
    await injure(await victimFile());
    await expectOnlyVictimDamaged(store, LARGE);
    await store.close();
    expect(await readdir(join(path, 'quarantine'))).toHaveLength(1);
    const restarted = await fixture.open(path);
    await expectOnlyVictimDamaged(restarted, LARGE);
    await expectHealable(restarted, LARGE);
    expect(await readdir(join(path, 'quarantine'))).toEqual([]);
  });

  it.each(injuries)('%s while the store was down answers object-damaged', async (_, injure) => {
    const store = await fixture.open(path);
    await fill(store, LARGE);
    await store.close();
    await injure(await victimFile());
    const restarted = await fixture.open(path);
    await expectOnlyVictimDamaged(restarted, LARGE);
    await restarted.remove(victim, {});
    await restarted.close();
    expect((await fixture.open(path)).has(victim)).toBe(false);
  });

  it('with a flipped bit still gives the ranges that do not touch it', async () => {
    const store = await fixture.open(path);
    await fill(store, LARGE);
    await flipBit(await victimFile(), bytesOf(LARGE, 2).subarray(200_000, 200_016));
    const reader = await store.open(victim);
    if (reader === undefined) throw new Error('The object is not there.');
    const whole = bytesOf(LARGE, 2);
    expect((await readAll(reader, { first: 0, last: 99_999 })).equals(whole.subarray(0, 100_000))).toBe(true);
    await expect(readAll(reader, { first: 199_990, last: 200_100 })).rejects.toMatchObject(DAMAGED);
    await reader.close();
  });
});
