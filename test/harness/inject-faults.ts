import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { isTracedBy } from './processes.js';
import type { ServerProcess } from './server-process.js';
import { requireTool } from './tools.js';
import { waitUntil } from './wait-until.js';

/** Makes system calls of a running process fail, by strace, e.g. `fsync:error=EIO`. Resolves, when they do, to how to stop. */
export async function injectFaults(server: ServerProcess, inject: string): Promise<() => Promise<void>> {
  const options = ['-f', '-qq', '-o', '/dev/null', '-p', String(server.pid)];
  const trace = `trace=${inject.split(':')[0]}`;
  const strace = spawn(await requireTool('strace'), [...options, '-e', trace, '-e', `inject=${inject}`]);
  const exited = once(strace, 'exit');
  const hasEnded = () => strace.exitCode !== null || strace.signalCode !== null;
  await waitUntil('strace has every thread', 30_000, () => hasEnded() || isTracedBy(strace.pid, server.pid));
  if (hasEnded()) throw new Error('strace could not attach to the server');
  return async () => {
    strace.kill('SIGINT');
    await exited;
  };
}
