import { GranaryError } from '#contracts';
import type { Disk } from './disk.js';
import { errnoOf } from './errno.js';

/** Fills as much of the range as the file has; the number of bytes read. */
export async function readFully(disk: Disk, descriptor: number, into: Buffer, position: number): Promise<number> {
  let total = 0;
  while (total < into.length) {
    const count = await disk.read(descriptor, into, total, into.length - total, position + total);
    if (count === 0) break;
    total += count;
  }
  return total;
}

export async function writeFully(disk: Disk, descriptor: number, bytes: Buffer, position: number): Promise<void> {
  let total = 0;
  while (total < bytes.length) {
    total += await disk.write(descriptor, bytes, total, bytes.length - total, position + total);
  }
}

/** Makes the creations, renames and removals in a directory durable. */
export async function syncDirectory(disk: Disk, path: string): Promise<void> {
  await withFile(disk, path, 'r', descriptor => disk.fsync(descriptor));
}

export async function withFile<T>(
  disk: Disk,
  path: string,
  flags: string,
  task: (descriptor: number) => Promise<T>,
): Promise<T> {
  const descriptor = await disk.open(path, flags);
  try {
    return await task(descriptor);
  } finally {
    await disk.close(descriptor);
  }
}

/** A small file under its final name, durably, or not at all. */
export async function writeFileDurably(
  disk: Disk,
  { temporary, path, directory }: { temporary: string; path: string; directory: string },
  bytes: Buffer,
): Promise<void> {
  try {
    await withFile(disk, temporary, 'w', async descriptor => {
      await writeFully(disk, descriptor, bytes, 0);
      await disk.fsync(descriptor);
    });
    await disk.rename(temporary, path);
  } catch (error) {
    await unlinkIfThere(disk, temporary).catch(() => {});
    throw error;
  }
  await syncDirectory(disk, directory);
}

export async function unlinkIfThere(disk: Disk, path: string): Promise<void> {
  await disk.unlink(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error;
  });
}

/** The project's error for one of the system's; anything else as it is. */
export function diskError(error: unknown, doing: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined || !/^E[A-Z0-9]+$/.test(errno)) return error;
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return new GranaryError('storage-full', `No space left on the disk (${errno} while ${doing}).`, { cause: error });
  }
  if (errno === 'EMFILE' || errno === 'ENFILE') {
    return new GranaryError('overloaded', `Out of file descriptors (${errno} while ${doing}).`, { cause: error });
  }
  return new GranaryError('storage-failed', `The disk failed (${errno} while ${doing}).`, { cause: error });
}
