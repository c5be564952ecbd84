import { randomBytes } from 'node:crypto';
import { link, open, readdir, unlink, type FileHandle } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from './errno.js';

/** Who holds a directory. */
export interface LockHolder {
  serverId?: string;
  pid?: number;
}

export class DirectoryLocked extends Error {
  constructor(
    readonly directory: string,
    readonly holder: LockHolder,
  ) {
    const { serverId = 'an unknown server', pid = 'unknown' } = holder;
    super(`${directory} is in use by ${serverId} (process ${pid}).`);
  }
}

export interface DirectoryLock {
  /** From now on, what an intruder is told. */
  announce(serverId: string): void;
  release(): Promise<void>;
}

/**
 * One process at a time holds a directory, by listening on a Unix socket in it: when the process
 * dies, however it does, nobody answers there any more.
 *
 * Lock files are numbered. A starter that finds nobody listening publishes its own listening socket
 * under the next number (a hard link, which fails if the number is taken) and then looks whether
 * anybody else listens; of two starters at least one sees the other, and gives up. Throws DirectoryLocked.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const handle = await open(directory, 'r');
  try {
    const place = socketDirectory(directory, handle);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const lock = await tryLock(place, handle);
      if (lock !== undefined) return lock;
      await sleep(Math.random() * 50);
    }
    throw new DirectoryLocked(directory, await anyHolder(place));
  } catch (error) {
    await handle.close();
    if (error instanceof DirectoryLocked) throw new DirectoryLocked(directory, error.holder);
    throw error;
  }
}

const MAX_ATTEMPTS = 10;
const LOCK_NAME = /^lock-(\d{1,9})\.sock$/;
const ANSWER_TIMEOUT_MS = 1000;
/** The address of a Unix socket has room for 107 bytes. */
const MAX_SOCKET_PATH_BYTES = 60;

/** Whether a file in a storage directory belongs to its lock. */
export function isLockFile(name: string): boolean {
  return LOCK_NAME.test(name) || name.endsWith('.lock-sock');
}

function socketDirectory(directory: string, { fd }: FileHandle): string {
  return Buffer.byteLength(directory) > MAX_SOCKET_PATH_BYTES ? `/proc/self/fd/${fd}` : directory;
}

async function tryLock(place: string, handle: FileHandle): Promise<DirectoryLock | undefined> {
  const before = await lockFiles(place);
  await refuseIfHeld(place, before);
  const holder: LockHolder = { pid: process.pid };
  const ownPath = join(place, `${randomBytes(6).toString('hex')}.lock-sock`);
  const server = await listen(ownPath, holder);
  const name = `lock-${Math.max(0, ...before.map(numberOf)) + 1}.sock`;
  try {
    await link(ownPath, join(place, name));
  } catch (error) {
    await close(server);
    if (errnoOf(error) === 'EEXIST') return undefined;
    throw error;
  }
  const others = (await lockFiles(place)).filter(other => other !== name);
  const rivals = await Promise.all(others.map(other => ask(join(place, other))));
  if (rivals.some(rival => rival !== undefined)) {
    await unlink(join(place, name));
    await close(server);
    return undefined;
  }
  for (const other of others) await unlink(join(place, other)).catch(() => {});
  return {
    announce: serverId => void (holder.serverId = serverId),
    release: async () => {
      await unlink(join(place, name)).catch(() => {});
      await close(server);
      await handle.close();
    },
  };
}

async function refuseIfHeld(place: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const holder = await ask(join(place, name));
    if (holder !== undefined) throw new DirectoryLocked(place, holder);
  }
}

async function anyHolder(place: string): Promise<LockHolder> {
  for (const name of await lockFiles(place)) {
    const holder = await ask(join(place, name));
    if (holder !== undefined) return holder;
  }
  return {};
}

async function lockFiles(place: string): Promise<string[]> {
  return (await readdir(place)).filter(name => LOCK_NAME.test(name));
}

function numberOf(name: string): number {
  return Number(LOCK_NAME.exec(name)?.[1] ?? 0);
}

function listen(path: string, holder: LockHolder): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => {
      socket.on('error', () => {});
      socket.end(JSON.stringify(holder));
    });
    server.once('error', reject);
    server.listen(path, () => resolve(server.unref()));
  });
}

/** Also unlinks the path that the server was bound to. */
function close(server: Server): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()));
}

/** Undefined when nobody listens. Somebody who listens and says nothing (a stopped process) is a holder, too. */
function ask(path: string): Promise<LockHolder | undefined> {
  return new Promise(resolve => {
    const socket = connect(path);
    let answer = '';
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy());
    socket.on('error', error => {
      const errno = errnoOf(error);
      resolve(errno === 'ECONNREFUSED' || errno === 'ENOENT' ? undefined : {});
    });
    socket.on('data', chunk => (answer += chunk.toString('utf8')));
    socket.on('close', () => resolve(parseHolder(answer)));
  });
}

function parseHolder(answer: string): LockHolder {
  try {
    const value: unknown = JSON.parse(answer);
    if (typeof value !== 'object' || value === null) return {};
    return {
      ...('serverId' in value && typeof value.serverId === 'string' ? { serverId: value.serverId } : {}),
      ...('pid' in value && typeof value.pid === 'number' ? { pid: value.pid } : {}),
    };
  } catch {
    return {};
  }
}
