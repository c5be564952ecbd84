import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BufferPool } from '../buffer-pool.js';
import { bytesOf } from '../testing/fixtures.js';
import type { Disk } from './disk.js';
import { ObjectFile } from './object-file.js';
import { StoreFixture, faultyDisk, systemError } from './store-fixture.js';

const PIECE = 8192;

let fixture: StoreFixture;
let path: string;
/** Bytes that were asked to go past the page cache. */
let direct: number;

beforeEach(async () => {
  fixture = new StoreFixture();
  path = join(await fixture.directory(), 'object');
  direct = 0;
});
afterEach(() => fixture.dispose());

/** Writes past the page cache anywhere, by pretending; `take` says how many bytes of such a write are taken. */
function disk(take: (length: number) => number, openDirect?: Disk['openDirect']): Disk {
  const descriptors = new Set<number>();
  return faultyDisk(real => ({
    openDirect:
      openDirect ??
      (async file => {
        const descriptor = await real.open(file, 'r+');
        descriptors.add(descriptor);
        return descriptor;
      }),
    write: async (descriptor, buffer, offset, length, position) => {
      if (!descriptors.has(descriptor)) return real.write(descriptor, buffer, offset, length, position);
      direct += length;
      return real.write(descriptor, buffer, offset, take(length), position);
    },
  }));
}

function pageAlignedPiece(): Buffer {
  return new BufferPool({ budgetBytes: 2 * PIECE, largeBytes: PIECE, smallBytes: 1024 }).take();
}

/** Whether this system and the file system of the tests can do it at all. */
async function opensDirect(file: string): Promise<boolean> {
  const { O_DIRECT } = constants;
  if (typeof O_DIRECT !== 'number') return false;
  return open(file, constants.O_WRONLY | O_DIRECT).then(
    async handle => handle.close().then(() => true),
    () => false,
  );
}

/** Two whole buffers and a rest, as an object is written. */
async function writeAll(on: Disk): Promise<Buffer> {
  const bytes = bytesOf(2 * PIECE + 100, 7);
  const file = await ObjectFile.create(on, path);
  const buffer = pageAlignedPiece();
  for (let at = 0; at < bytes.length; at += PIECE) {
    const length = bytes.copy(buffer, 0, at, at + PIECE);
    // oxlint-disable-next-line no-await-in-loop -- one at a time
    await file.write(buffer.subarray(0, length), at);
  }
  await file.sync();
  await file.close();
  return bytes;
}

async function expectWritten(on: Disk): Promise<void> {
  const bytes = await writeAll(on);
  expect((await readFile(path)).equals(bytes)).toBe(true);
}

describe('The file of a large object', () => {
  it('is written past the page cache where buffer, length and position are whole pages', async () => {
    await expectWritten(disk(length => length));
    expect(direct).toBe(2 * PIECE);
  });

  it('is written so on the real disk, if that can', async () => {
    const written: number[] = [];
    const descriptors = new Set<number>();
    const real = faultyDisk(({ openDirect, write }) => ({
      openDirect: async file => {
        const descriptor = await openDirect(file);
        if (descriptor !== undefined) descriptors.add(descriptor);
        return descriptor;
      },
      write: async (descriptor, ...rest) => {
        const count = await write(descriptor, ...rest);
        if (descriptors.has(descriptor)) written.push(count);
        return count;
      },
    }));
    await expectWritten(real);
    expect(written).toEqual((await opensDirect(path)) ? [PIECE, PIECE] : []);
  });

  it('closes each descriptor once, however the disk fails', async () => {
    for (const fault of ['none', 'EINVAL', 'EIO'] as const) {
      const open: number[] = [];
      const opened = (descriptor: number): number => {
        open.push(descriptor);
        return descriptor;
      };
      const counting = faultyDisk(real => ({
        open: async (file, flags) => opened(await real.open(file, flags)),
        openDirect: async file => opened(await real.open(file, 'r+')),
        close: async descriptor => {
          const at = open.indexOf(descriptor);
          if (at < 0) throw new Error(`${descriptor} is closed twice`);
          open.splice(at, 1);
          await real.close(descriptor);
          // The number is free all the same.
          if (open.length > 0 && fault === 'EINVAL') throw systemError('EIO');
        },
        write: async (descriptor, ...rest) => {
          if (fault !== 'none' && descriptor === open[1]) throw systemError(fault);
          return real.write(descriptor, ...rest);
        },
      }));
      // oxlint-disable-next-line no-await-in-loop -- one file at a time
      const file = await ObjectFile.create(counting, `${path}-${fault}`);
      const writing = file.write(pageAlignedPiece(), 0);
      // oxlint-disable-next-line no-await-in-loop -- as above
      await (fault === 'EIO' ? expect(writing).rejects.toThrow('EIO') : writing);
      // oxlint-disable-next-line no-await-in-loop -- as above
      await file.close();
      expect(open).toEqual([]);
    }
  });

  it('is never durable once a sync on the way has failed', async () => {
    let syncs = 0;
    const failing = disk(length => length);
    failing.fdatasync = async () => {
      throw systemError('EIO');
    };
    failing.fsync = async () => void (syncs += 1);
    const file = await ObjectFile.create(failing, path);
    await file.write(Buffer.alloc(17 * 1024 * 1024), 0);
    await expect(file.sync()).rejects.toThrow('EIO');
    await file.close();
    expect(syncs).toBe(0);
  });

  it('goes through the page cache where nothing else can be opened', async () => {
    await expectWritten(
      disk(
        length => length,
        async () => undefined,
      ),
    );
    expect(direct).toBe(0);
  });

  it('goes through the page cache when a file system refuses its alignment', async () => {
    await expectWritten(
      disk(() => {
        throw systemError('EINVAL');
      }),
    );
    expect(direct).toBe(PIECE);
  });

  it('gets the rest of a short write', () => expectWritten(disk(length => length / 2)));

  it('fails when the disk does', async () => {
    const failing = disk(() => {
      throw systemError('EIO');
    });
    await expect(writeAll(failing)).rejects.toThrow('EIO');
  });

  it('does not send a buffer of unknown address past the page cache', async () => {
    const file = await ObjectFile.create(
      disk(length => length),
      path,
    );
    await file.write(Buffer.alloc(PIECE, 1), 0);
    await file.close();
    expect(direct).toBe(0);
  });
});
