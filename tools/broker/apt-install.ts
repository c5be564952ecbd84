import { chmod, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { run } from './run.js';

const POLICY = '/usr/sbin/policy-rc.d';
const APT_TIMEOUT_MS = 600_000;

/** Installs a package on Debian or Ubuntu as root, without starting its service. Elsewhere throws what to do. */
export async function aptInstall(name: string, whatToDo: string): Promise<void> {
  if (process.getuid?.() !== 0 || !(await isDebian())) throw new Error(whatToDo);
  console.error(`Not found: installing ${name} with apt-get.`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await withoutStartingServices(async () => {
    await run('apt-get', ['update', '--quiet'], { env, timeoutMs: APT_TIMEOUT_MS });
    const args = ['install', '--quiet', '--yes', '--no-install-recommends', name];
    await run('apt-get', args, { env, timeoutMs: APT_TIMEOUT_MS });
  }).catch((cause: unknown) => {
    throw new Error(whatToDo, { cause });
  });
}

async function isDebian(): Promise<boolean> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release);
}

/** A policy-rc.d that answers 101 forbids packages to start services; one that was there before is put back. */
async function withoutStartingServices(work: () => Promise<void>): Promise<void> {
  const kept = `${POLICY}.granary`;
  const had = await stat(POLICY).then(
    () => true,
    () => false,
  );
  if (had) await rename(POLICY, kept);
  try {
    await writeFile(POLICY, '#!/bin/sh\nexit 101\n');
    await chmod(POLICY, 0o755);
    await work();
  } finally {
    if (had) await rename(kept, POLICY);
    else await rm(POLICY, { force: true });
  }
}
