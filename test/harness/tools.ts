import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What some tests need beside Node, and the Debian package that has it. */
const PACKAGES = {
  strace: 'strace',
  prlimit: 'util-linux',
  losetup: 'mount',
  'mkfs.ext4': 'e2fsprogs',
  python3: 'python3-minimal',
  curl: 'curl',
} as const;

/** The path of a program; installed with apt when root on Debian or Ubuntu, else an error that says what to do. */
export async function requireTool(tool: keyof typeof PACKAGES): Promise<string> {
  return (await onPath(tool)) ?? (await installed(PACKAGES[tool], () => onPath(tool)));
}

/** The path of libfaketime's library, likewise. */
export async function requireFaketime(): Promise<string> {
  return (await faketimeLibrary()) ?? (await installed('libfaketime', faketimeLibrary));
}

function faketimeLibrary(): Promise<string | undefined> {
  const triplets = ['x86_64-linux-gnu', 'aarch64-linux-gnu'];
  return firstThatExists(triplets.map(triplet => `/usr/lib/${triplet}/faketime/libfaketime.so.1`));
}

/** Tests that mount file systems or trace processes need root. */
export function requireRoot(what: string): void {
  if (process.getuid?.() !== 0) throw new Error(`${what} needs root: run the tests as root, or in a container.`);
}

async function installed(name: string, find: () => Promise<string | undefined>): Promise<string> {
  const debian = /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(await readFile('/etc/os-release', 'utf8').catch(() => ''));
  if (!debian || process.getuid?.() !== 0) throw new Error(`This test needs ${name}: install it and run again.`);
  console.log(`Installing ${name} with apt-get: this test needs it.`);
  const install = `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${name}`;
  // The file in the other lane may install something, too, and apt-get waits for nobody's lock on its lists.
  await run('flock', ['/run/lock/granary-tests-apt', 'sh', '-c', install]);
  const path = await find();
  if (path === undefined) throw new Error(`apt-get installed ${name}, but it cannot be found.`);
  return path;
}

function onPath(tool: string): Promise<string | undefined> {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return firstThatExists(directories.map(directory => join(directory, tool)));
}

async function firstThatExists(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}
