import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePort } from '../../test/harness/free-port.js';
import { tempDirectory } from '../../test/harness/temp-directory.js';
import { TARGETS } from '../report/goals.js';
import type { Target } from '../target.js';
import type { Started } from './started.js';

const HOST = '127.0.4.1';
const program = join(import.meta.dirname, '..', 'floors', 'main.js');

/** Starts the three floors, each in a process of its own; the proxy has its own one-hop server behind it. */
export async function startFloors(): Promise<Started> {
  const oneHop = await start(TARGETS.floor, 'one-hop');
  const behind = await start('behind', 'one-hop');
  const twoHops = await start('floor-two-hops', 'two-hops', '--upstream', `${HOST}:${behind.target.port}`);
  const fileEach = await start(TARGETS.fileEach, 'file-each', '--directory', tempDirectory('floor'));
  const children = [oneHop, behind, twoHops, fileEach].map(floor => floor.child);
  return {
    targets: [
      oneHop.target,
      { ...twoHops.target, pids: [...twoHops.target.pids, ...behind.target.pids] },
      fileEach.target,
    ],
    stop: async () => {
      for (const child of children) child.kill('SIGTERM');
      await Promise.all(children.filter(child => child.exitCode === null).map(child => once(child, 'exit')));
    },
  };
}

async function start(
  name: string,
  floor: string,
  ...options: string[]
): Promise<{ target: Target; child: ChildProcess }> {
  const port = await freePort(HOST);
  const child = spawn(process.execPath, [program, floor, '--listen', `${HOST}:${port}`, ...options], {
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return { target: { name, host: HOST, port, pids: child.pid === undefined ? [] : [child.pid] }, child };
}
