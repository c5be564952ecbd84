import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { toObjectName } from '#contracts';
import { bytesOf, readObject, writeObject } from '../testing/fixtures.js';
import type { Disk } from './disk.js';
import { StoreFixture, faultyDisk, systemError } from './store-fixture.js';

/** Proves that a failing disk is never acknowledged, never asked again on the same descriptor, and leaves nothing behind. */

const key = toObjectName('key');
const SMALL = 1000;
/** A whole buffer, which goes past the page cache, and a rest. */
const LARGE = 300_000;
const BELOW_A_BUFFER = 100_000;
const CODES: Record<string, string> = {
  EIO: 'storage-failed',
  ENOSPC: 'storage-full',
  EDQUOT: 'storage-full',
  EMFILE: 'overloaded',
  ENFILE: 'overloaded',
  EROFS: 'storage-failed',
};

let fixture: StoreFixture;
let path: string;
/** The call that fails next, on files of which kind, and how; `afterwards` having done all it was asked. Undefined: none. */
let failing: { call: keyof Disk; on: string; errno: string; afterwards?: boolean } | undefined;
let paths: Map<number, string>;
let failedDescriptors: Set<number>;
let touchedAgain: string[];

beforeEach(async () => {
  fixture = new StoreFixture();
  path = await fixture.directory();
  failing = undefined;
  paths = new Map();
  failedDescriptors = new Set();
  touchedAgain = [];
});
afterEach(() => fixture.dispose());

/** Fails once, if this is the call that shall; notes every later call on a descriptor that had failed. */
function maybeFail(call: keyof Disk, file: string, descriptor?: number): void {
  if (descriptor !== undefined && failedDescriptors.has(descriptor)) touchedAgain.push(`${call} ${file}`);
  if (failing?.call !== call || !file.includes(failing.on)) return;
  const { errno } = failing;
  failing = undefined;
  if (descriptor !== undefined) failedDescriptors.add(descriptor);
  throw systemError(errno);
}

function maybeFailOn(call: keyof Disk, descriptor: number): void {
  maybeFail(call, paths.get(descriptor) ?? '', descriptor);
}

/** Whether writes sync themselves is pretended: no power is cut here. */
function disk({ syncsWrites }: { syncsWrites: boolean }): Disk {
  return faultyDisk(real => ({
    createSynced: async file => {
      if (!syncsWrites) return undefined;
      const descriptor = await real.open(file, 'wx');
      failedDescriptors.delete(descriptor);
      paths.set(descriptor, file);
      return descriptor;
    },
    open: async (file, flags) => {
      if (flags.startsWith('w')) maybeFail('open', file);
      const descriptor = await real.open(file, flags);
      failedDescriptors.delete(descriptor);
      paths.set(descriptor, flags.startsWith('w') ? file : '');
      return descriptor;
    },
    openDirect: async file => {
      maybeFail('openDirect', file);
      const descriptor = await real.openDirect(file);
      if (descriptor !== undefined) {
        failedDescriptors.delete(descriptor);
        paths.set(descriptor, `${file} past the page cache`);
      }
      return descriptor;
    },
    write: async (descriptor, ...rest) => {
      if (failing?.afterwards === true) await real.write(descriptor, ...rest);
      maybeFailOn('write', descriptor);
      return real.write(descriptor, ...rest);
    },
    fsync: async descriptor => {
      maybeFailOn('fsync', descriptor);
      return real.fsync(descriptor);
    },
    fdatasync: async descriptor => {
      maybeFailOn('fdatasync', descriptor);
      return real.fdatasync(descriptor);
    },
    rename: async (from, to) => {
      maybeFail('rename', from);
      return real.rename(from, to);
    },
  }));
}

async function expectNothingTemporary(): Promise<void> {
  for (let attempt = 0; attempt < 500 && (await readdir(join(path, 'tmp'))).length > 0; attempt += 1) {
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  expect(await readdir(join(path, 'tmp'))).toEqual([]);
}

describe('A put that meets a failing disk', () => {
  const calls: { call: keyof Disk; length: number; syncsWrites?: boolean; afterwards?: boolean }[] = [
    { call: 'write', length: SMALL },
    { call: 'write', length: SMALL, syncsWrites: true },
    { call: 'write', length: SMALL, syncsWrites: true, afterwards: true },
    { call: 'fdatasync', length: SMALL },
    { call: 'open', length: LARGE },
    { call: 'write', length: LARGE },
    { call: 'write', length: BELOW_A_BUFFER },
    { call: 'openDirect', length: LARGE },
    { call: 'fsync', length: LARGE },
    { call: 'rename', length: LARGE },
  ];
  const cases = calls.flatMap(failure => Object.keys(CODES).map(errno => ({ ...failure, errno })));

  it.each(cases)('in $call ($length bytes, $errno) is refused, and the old state stays', async failure => {
    const { call, length, errno, syncsWrites = false, afterwards = false } = failure;
    const store = await fixture.open(path, { disk: disk({ syncsWrites }) });
    await writeObject(store, key, bytesOf(length, 1), { length });
    failing = { call, on: length === SMALL ? '.pack' : join(path, 'tmp'), errno, afterwards };
    await expect(writeObject(store, key, bytesOf(length, 2), { length })).rejects.toMatchObject({ code: CODES[errno] });
    expect((await readObject(store, key))?.equals(bytesOf(length, 1))).toBe(true);
    expect(touchedAgain).toEqual([]);
    await expectNothingTemporary();
    const restarted = await fixture.open(await fixture.crashedCopy(path));
    expect((await readObject(restarted, key))?.equals(bytesOf(length, 1))).toBe(true);
    await writeObject(store, key, bytesOf(length, 3), { length });
    expect((await readObject(store, key))?.equals(bytesOf(length, 3))).toBe(true);
  });

  it('of a group that was written and refused does not come back, though nothing more can be written', async () => {
    let isBroken = false;
    const broken = faultyDisk(real => ({
      createSynced: file => real.open(file, 'wx'),
      write: async (...call) => {
        const written = await real.write(...call);
        if (isBroken) throw systemError('EIO');
        return written;
      },
    }));
    const store = await fixture.open(path, { disk: broken });
    await writeObject(store, key, bytesOf(SMALL), { length: SMALL });
    isBroken = true;
    const refused = toObjectName('refused');
    await expect(writeObject(store, refused, bytesOf(SMALL), { length: SMALL })).rejects.toMatchObject({
      code: 'storage-failed',
    });
    const restarted = await fixture.open(await fixture.crashedCopy(path));
    expect([restarted.has(key), restarted.has(refused)]).toEqual([true, false]);
  });

  it('in the sync of the directory, after the rename, does not come back', async () => {
    let broken = false;
    let renamed = false;
    const faulty = faultyDisk(real => ({
      rename: async (from, to) => {
        await real.rename(from, to);
        renamed = broken;
      },
      fsync: async descriptor => {
        if (renamed) throw systemError('EIO');
        return real.fsync(descriptor);
      },
    }));
    const store = await fixture.open(path, { disk: faulty });
    await writeObject(store, key, bytesOf(LARGE, 1), { length: LARGE });
    broken = true;
    await expect(writeObject(store, key, bytesOf(LARGE, 2), { length: LARGE })).rejects.toMatchObject({
      code: 'storage-failed',
    });
    broken = renamed = false;
    expect((await readObject(store, key))?.equals(bytesOf(LARGE, 1))).toBe(true);
    const restarted = await fixture.open(await fixture.crashedCopy(path));
    expect((await readObject(restarted, key))?.equals(bytesOf(LARGE, 1))).toBe(true);
  });
});

describe('A group of puts whose sync fails', () => {
  it.each([false, true])(
    'is refused as a whole; the next goes to a new pack (synced writes: %s)',
    async syncsWrites => {
      const store = await fixture.open(path, { disk: disk({ syncsWrites }) });
      await store.put(key, bytesOf(SMALL), {});
      failing = { call: syncsWrites ? 'write' : 'fdatasync', on: '.pack', errno: 'EIO', afterwards: syncsWrites };
      const names = Array.from({ length: 20 }, (_, index) => toObjectName(`group-${index}`));
      const results = await Promise.allSettled(names.map(name => store.put(name, bytesOf(SMALL), {})));
      const refused = names.filter((_, index) => results[index]?.status === 'rejected');
      expect(refused.length).toBeGreaterThan(0);
      for (const name of refused) expect(store.has(name)).toBe(false);
      expect(fixture.events).toContainEqual(expect.objectContaining({ kind: 'pack-abandoned' }));
      const restarted = await fixture.open(await fixture.crashedCopy(path));
      for (const name of refused) expect(restarted.has(name)).toBe(false);
      expect(restarted.has(key)).toBe(true);
      expect(touchedAgain).toEqual([]);
    },
  );
});

describe('A group of small records', () => {
  it.each([false, true])('is synced by nothing but its write where that can be had (%s)', async syncsWrites => {
    let syncs = 0;
    const pretended = disk({ syncsWrites });
    const counted: Disk = {
      ...pretended,
      fdatasync: descriptor => {
        syncs += 1;
        return pretended.fdatasync(descriptor);
      },
    };
    const store = await fixture.open(path, { disk: counted });
    await store.put(key, bytesOf(SMALL), {});
    syncs = 0;
    for (let index = 0; index < 5; index += 1) await store.put(key, bytesOf(SMALL, index), {});
    expect(syncs).toBe(syncsWrites ? 0 : 5);
  });
});

describe('A disk that writes and reads less than it is asked', () => {
  it('loses nothing', async () => {
    const short = faultyDisk(real => ({
      write: (descriptor, buffer, offset, length, position) =>
        real.write(descriptor, buffer, offset, Math.ceil(length / 3), position),
      read: (descriptor, buffer, offset, length, position) =>
        real.read(descriptor, buffer, offset, Math.ceil(length / 2), position),
    }));
    const store = await fixture.open(path, { disk: short });
    for (const length of [SMALL, LARGE]) {
      await writeObject(store, key, bytesOf(length), { length });
      expect((await readObject(store, key))?.equals(bytesOf(length))).toBe(true);
    }
  });
});

describe('A read that the disk fails', () => {
  it.each([
    ['EIO', 'object-damaged'],
    ['EMFILE', 'overloaded'],
  ])('with %s is %s, and works again when the disk does', async (errno, code) => {
    let broken = false;
    const faulty = faultyDisk(real => ({
      open: async (file, flags) => {
        if (broken && errno === 'EMFILE') throw systemError(errno);
        return real.open(file, flags);
      },
      read: async (...parameters) => {
        if (broken && errno === 'EIO') throw systemError(errno);
        return real.read(...parameters);
      },
    }));
    const store = await fixture.open(path, { disk: faulty });
    for (const length of [SMALL, LARGE]) {
      await writeObject(store, key, bytesOf(length), { length });
      broken = true;
      await expect(readObject(store, key)).rejects.toMatchObject({ code });
      broken = false;
      expect((await readObject(store, key))?.equals(bytesOf(length))).toBe(true);
    }
  });
});
