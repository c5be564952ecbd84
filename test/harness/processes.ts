import { existsSync, readFileSync, readdirSync } from 'node:fs';

/** The direct children of a process, by /proc. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Resident bytes now (`VmRSS`), or at the peak (`VmHWM`). */
export function residentBytes(pid: number, which: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  const match = new RegExp(`^${which}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? 0) * 1024;
}

/** Whether every thread of it has this tracer. */
export function isTracedBy(tracer: number | undefined, pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every(thread => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
    return /^TracerPid:\s+(\d+)$/m.exec(status)?.[1] === String(tracer);
  });
}

/**
 * How long, at most, the machine has kept its main thread from running since it started: other processes that had
 * the cores, and others of the host, as far as that tells (`steal`), that had them all or one.
 */
export function heldUpMs(pid: number): number {
  return waitedForCoreMs(pid) + stolenMs();
}

/** How long its main thread has been ready to run since it started, while all cores ran something else. 0 where the kernel does not count it. */
export function waitedForCoreMs(pid: number): number {
  const path = `/proc/${pid}/schedstat`;
  const [, waitedNs = 0] = existsSync(path) ? readFileSync(path, 'utf8').split(' ').map(Number) : [];
  return waitedNs / 1e6;
}

const TICKS_PER_SECOND = 100;

/** Of all cores together, since the machine started. 0 where it does not tell. */
function stolenMs(): number {
  if (!existsSync('/proc/stat')) return 0;
  const [, , , , , , , , steal = '0'] = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/\s+/) ?? [];
  return (Number(steal) * 1000) / TICKS_PER_SECOND;
}
