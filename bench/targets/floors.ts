import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DATA_SERVERS } from '../../test/harness/cluster.js';
import { freePort } from '../../test/harness/free-port.js';
import { tempDirectory } from '../../test/harness/temp-directory.js';
import { withChildren } from '../processes.js';
import { TARGETS } from '../report/goals.js';
import type { Target } from '../target.js';
import type { Started } from './started.js';

export type FloorName = 'one-hop' | 'two-hops' | 'frames' | 'frames-of-two' | 'file-each';

/** What bench/floors/main.ts runs. */
type FloorProgram = 'one-hop' | 'two-hops' | 'frame-store' | 'frame-front' | 'file-each';

interface Floor {
  target: Target;
  children: ChildProcess[];
}

const HOST = '127.0.4.1';
const program = join(import.meta.dirname, '..', 'floors', 'main.js');
/** `workers`: of what answers HTTP, where the floor is to have as many processes as the cluster. */
const STARTS: Record<FloorName, (workers: number) => Promise<Floor>> = {
  'one-hop': () => start(TARGETS.floor, 'one-hop'),
  'two-hops': startTwoHops,
  frames: workers => startFrames(TARGETS.frames, workers, DATA_SERVERS),
  'frames-of-two': () => startFrames(TARGETS.framesOfTwo, 1, 1),
  'file-each': () => start(TARGETS.fileEach, 'file-each', '--directory', tempDirectory('floor')),
};

/** Each in a process of its own. */
export async function startFloors(names: readonly FloorName[], workers: number): Promise<Started> {
  const floors = await Promise.all(names.map(name => STARTS[name](workers)));
  const children = floors.flatMap(floor => floor.children);
  return {
    targets: floors.map(({ target }) => target),
    stop: async () => {
      for (const child of children) child.kill('SIGTERM');
      await Promise.all(children.filter(child => child.exitCode === null).map(child => once(child, 'exit')));
    },
  };
}

/** The proxy has its own one-hop server behind it. */
async function startTwoHops(): Promise<Floor> {
  const behind = await start('behind', 'one-hop');
  const { host, port } = behind.target;
  const proxy = await start(TARGETS.twoHops, 'two-hops', '--upstream', `${host}:${port}`);
  return {
    target: { ...proxy.target, pids: [...proxy.target.pids, ...behind.target.pids] },
    children: [...proxy.children, ...behind.children],
  };
}

async function startFrames(name: string, workers: number, count: number): Promise<Floor> {
  const stores = await Promise.all(Array.from({ length: count }, (_, index) => start(`store ${index}`, 'frame-store')));
  const upstream = stores.map(({ target }) => `${target.host}:${target.port}`).join(',');
  const front = await start(name, 'frame-front', '--upstream', upstream, '--workers', String(workers));
  const pids = [...front.target.pids, ...stores.flatMap(({ target }) => target.pids)];
  return {
    target: { ...front.target, pids: withChildren(pids) },
    children: [...front.children, ...stores.flatMap(({ children }) => children)],
  };
}

async function start(name: string, floor: FloorProgram, ...options: string[]): Promise<Floor> {
  const port = await freePort(HOST);
  const child = spawn(process.execPath, [program, floor, '--listen', `${HOST}:${port}`, ...options], {
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return { target: { name, host: HOST, port, pids: child.pid === undefined ? [] : [child.pid] }, children: [child] };
}
