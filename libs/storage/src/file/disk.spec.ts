import { constants, existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { nodeDisk } from './disk.js';

/** ext4, XFS, Btrfs, F2FS, ZFS. */
const RELIED_ON = [0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1];

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'granary-disk-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Octal, as Linux tells them of an open file. */
async function openFlags(descriptor: number): Promise<number> {
  const [, flags = ''] = /^flags:\s+(\d+)$/m.exec(await readFile(`/proc/self/fdinfo/${descriptor}`, 'utf8')) ?? [];
  return Number.parseInt(flags, 8);
}

describe('A file whose writes are durable by themselves', () => {
  it('is opened with O_DSYNC on file systems that keep its promise, and is not there on others', async () => {
    const disk = nodeDisk({ fsync: true, maxCallsInFlight: 1 });
    for (const [place, isRelied] of [
      [directory, RELIED_ON.includes((await statfs(directory)).type)],
      ['/dev/shm', false],
    ] as const) {
      const path = join(place, `granary-synced-${process.pid}`);
      const descriptor = await disk.createSynced(path);
      expect(existsSync(path)).toBe(isRelied);
      if (descriptor === undefined) continue;
      try {
        expect((await openFlags(descriptor)) & constants.O_DSYNC).toBe(constants.O_DSYNC);
        await disk.write(descriptor, Buffer.from('bytes'), 0, 5, 0);
        expect(await readFile(path, 'utf8')).toBe('bytes');
        await expect(disk.createSynced(path)).rejects.toMatchObject({ code: 'EEXIST' });
      } finally {
        await disk.close(descriptor);
      }
    }
  });

  it('is not to be had with fsync off', async () => {
    const path = join(directory, 'file');
    expect(await nodeDisk({ fsync: false, maxCallsInFlight: 1 }).createSynced(path)).toBeUndefined();
    expect(existsSync(path)).toBe(false);
  });
});
