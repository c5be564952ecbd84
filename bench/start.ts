import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort } from '../test/harness/free-port.js';
import { residentBytes } from '../test/harness/processes.js';
import { cpuSeconds } from './processes.js';

/**
 * What a program costs until it listens: as its modules, bundled, and bundled with Node's compile cache, in turns.
 *
 *   npm run build && node dist/bench/start.js
 *   npx -y -p node@24 node dist/bench/start.js --rounds 9
 */
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });

interface Variant {
  name: string;
  main(program: Program): string;
  isCached: boolean;
}

interface Cost {
  cpuSeconds: number;
  ms: number;
  residentBytes: number;
}

type Program = (typeof PROGRAMS)[number];

const PROGRAMS = ['data-server', 'standalone'] as const;
const HOST = '127.0.3.9';
const DIST = join(import.meta.dirname, '..');
const bundled = (program: Program) => join(DIST, 'programs', `${program}.js`);
const VARIANTS: readonly Variant[] = [
  { name: 'modules', main: program => join(DIST, 'apps', program, 'src', 'main.js'), isCached: false },
  { name: 'bundled', main: bundled, isCached: false },
  { name: 'bundled, compile cache', main: bundled, isCached: true },
];
const [major = 0] = process.versions.node.split('.').map(Number);
const variants = VARIANTS.filter(({ isCached }) => !isCached || major >= 22);

const scratch = await mkdtemp(join(tmpdir(), 'granary-start-bench-'));
try {
  console.log(`Node ${process.version}, ${availableParallelism()} cores, load average ${loadavg()[0]?.toFixed(1)}\n`);
  console.log('| program | as | CPU s | ms | RSS MiB |\n| --- | --- | --- | --- | --- |');
  for (const program of PROGRAMS) await compare(program);
} finally {
  await rm(scratch, { recursive: true, force: true });
}

async function compare(program: Program): Promise<void> {
  const costs: Cost[][] = variants.map(() => []);
  // The first round fills the page cache and the compile cache.
  for (let round = 0; round <= Number(values.rounds); round += 1) {
    for (const [index, variant] of variants.entries()) {
      const cost = await measureStart(program, variant);
      if (round > 0) costs[index]?.push(cost);
    }
  }
  for (const [index, { name }] of variants.entries()) {
    const median = (pick: (cost: Cost) => number) => medianOf((costs[index] ?? []).map(pick));
    const cpu = median(cost => cost.cpuSeconds).toFixed(2);
    const ms = median(cost => cost.ms).toFixed(0);
    const rss = median(cost => cost.residentBytes / 1024 / 1024).toFixed(0);
    console.log(`| ${program} | ${name} | ${cpu} | ${ms} | ${rss} |`);
  }
}

async function measureStart(program: Program, variant: Variant): Promise<Cost> {
  const directory = await mkdtemp(join(scratch, `${program}-`));
  const beganMs = performance.now();
  // As bin/granary.cjs starts it.
  const child = spawn(process.execPath, ['--semi-space-growth-factor=1', variant.main(program)], {
    env: {
      UV_THREADPOOL_SIZE: '16',
      LISTEN_ADDRESS: `${HOST}:${await freePort(HOST)}`,
      STORAGE_ROOT: storageRoot(program, directory),
      LOG_FORMAT: 'json',
      ...(variant.isCached && { NODE_COMPILE_CACHE: join(scratch, 'compiled') }),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await listening(child);
    const { pid = 0 } = child;
    return {
      cpuSeconds: cpuSeconds([pid]),
      ms: performance.now() - beganMs,
      residentBytes: residentBytes(pid),
    };
  } finally {
    // Not SIGKILL: the compile cache is written at the end.
    if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit');
    await rm(directory, { recursive: true, force: true });
  }
}

function storageRoot(program: Program, directory: string): string {
  const count = program === 'standalone' ? 6 : 1;
  return Array.from({ length: count }, (_, index) => join(directory, `${index + 1}`)).join(',');
}

/** Rejects when it ends instead. Goes on reading after that: a full pipe would stop the program. */
function listening(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('"msg":"listening on ')) resolve();
    });
    child.once('error', reject);
    child.once('exit', code => reject(new Error(`It ended with code ${code} before it listened.\n${output}`)));
  });
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
