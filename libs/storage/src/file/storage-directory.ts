import { randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { syncDirectory, writeFileDurably } from './disk-access.js';
import { isLockFile, lockDirectory, type DirectoryLock } from './directory-lock.js';
import { nodeDisk } from './disk.js';
import { errnoOf } from './errno.js';

/** A directory that this process, and no other, may use as a store until it is closed. */
export interface StorageDirectory {
  readonly path: string;
  /** Made when the directory was first used; it never changes. */
  readonly serverId: string;
  /** It was empty. */
  readonly created: boolean;
  close(): Promise<void>;
}

export interface StorageDirectoryOptions {
  /** Refuse the directory of any other server. */
  expectedServerId?: string;
}

/** The directory cannot be used; the message says why, and which server it found there. */
export class StorageDirectoryRefused extends Error {}

/**
 * Locks a storage directory and reads whose it is; makes both if it is missing or empty. Throws
 * StorageDirectoryRefused or DirectoryLocked.
 */
export async function openStorageDirectory(
  path: string,
  options: StorageDirectoryOptions = {},
): Promise<StorageDirectory> {
  const absolute = resolve(path);
  await mkdir(absolute, { recursive: true });
  await readIdentity(absolute);
  const lock = await lockDirectory(absolute);
  try {
    return await claim(absolute, options, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

const FORMAT = 1;
const IDENTITY_FILE = 'server.json';
/** Left by mkfs, or by us when a first start was cut off. */
const IGNORED = new Set(['lost+found', `${IDENTITY_FILE}.tmp`]);

async function claim(path: string, options: StorageDirectoryOptions, lock: DirectoryLock): Promise<StorageDirectory> {
  const found = await readIdentity(path);
  const { expectedServerId } = options;
  if (found !== undefined && expectedServerId !== undefined && found !== expectedServerId) {
    throw new StorageDirectoryRefused(`${path} belongs to server ${found}, not to ${expectedServerId}.`);
  }
  const serverId = found ?? expectedServerId ?? randomUUID();
  if (found === undefined) await writeIdentity(path, serverId);
  lock.announce(serverId);
  return { path, serverId, created: found === undefined, close: () => lock.release() };
}

/** Undefined for an empty directory. */
async function readIdentity(path: string): Promise<string | undefined> {
  const file = join(path, IDENTITY_FILE);
  try {
    return parseIdentity(await readFile(file, 'utf8'), file);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  const strangers = (await readdir(path)).filter(name => !IGNORED.has(name) && !isLockFile(name));
  if (strangers.length > 0) {
    throw new StorageDirectoryRefused(
      `${path} is not empty and no storage directory: it has ${strangers.slice(0, 3).join(', ')}, but no ${IDENTITY_FILE}.`,
    );
  }
  return undefined;
}

function parseIdentity(text: string, file: string): string {
  let identity: unknown;
  try {
    identity = JSON.parse(text);
  } catch (cause) {
    throw new StorageDirectoryRefused(`${file} is not JSON.`, { cause });
  }
  if (typeof identity !== 'object' || identity === null || !('format' in identity) || !('serverId' in identity)) {
    throw new StorageDirectoryRefused(`${file} has no format and serverId.`);
  }
  const { format, serverId } = identity;
  if (typeof serverId !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(serverId)) {
    throw new StorageDirectoryRefused(`${file} has no valid serverId.`);
  }
  if (format !== FORMAT) {
    throw new StorageDirectoryRefused(
      `${file} of server ${serverId} has format ${String(format)}; this is for ${FORMAT}.`,
    );
  }
  return serverId;
}

async function writeIdentity(path: string, serverId: string): Promise<void> {
  const disk = nodeDisk({ fsync: true, maxCallsInFlight: 1 });
  const file = join(path, IDENTITY_FILE);
  const text = `${JSON.stringify({ format: FORMAT, serverId }, null, 2)}\n`;
  await writeFileDurably(disk, { temporary: `${file}.tmp`, path: file, directory: path }, Buffer.from(text));
  await syncDirectory(disk, dirname(path));
}
