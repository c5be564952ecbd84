import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 2;
const MOST_POLLS = 5_000;

/**
 * SIGSTOP; resolves when the process stands still, or has ended. The signal is taken by one thread, and
 * until that one gets a core the others go on: on a busy machine long enough to answer somebody.
 * Throws if it still runs after 10 s. Where there is no /proc it does not wait.
 */
export async function pauseProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  for (let polls = 0; await isMoving(pid); polls++) {
    if (polls === MOST_POLLS) throw new Error(`process ${pid} does not stop`);
    await sleep(POLL_MS);
  }
}

async function isMoving(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const states = await Promise.all(threads.map(thread => stateOf(`/proc/${pid}/task/${thread}/stat`)));
  return states.some(state => state !== undefined && !STILL.has(state));
}

/** Behind the name, which may have anything in it (proc(5)). Undefined when the thread has ended. */
async function stateOf(path: string): Promise<string | undefined> {
  const stat = await readFile(path, 'utf8').catch(() => undefined);
  return stat?.charAt(stat.lastIndexOf(')') + 2);
}

/** Stopped, stopped by a tracer, ended. */
const STILL: ReadonlySet<string> = new Set(['T', 't', 'Z', 'X']);
