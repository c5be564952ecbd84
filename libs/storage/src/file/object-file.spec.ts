import { readFile } from 'node:fs/promises';
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

  it('is what was written on the real disk', () => expectWritten(faultyDisk(() => ({}))));

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
