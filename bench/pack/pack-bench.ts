import { mkdir, mkdtemp, open, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { open as openLmdb } from 'lmdb';
import { toObjectName } from '#contracts';
import { FileShardStore, openStorageDirectory } from '#storage/file';

/** The least that a store of small objects can do, so that three ways of doing it can be compared. */
interface Candidate {
  name: string;
  put(key: string, bytes: Buffer): Promise<unknown>;
  get(key: string): Promise<Buffer>;
  close(): Promise<void>;
}

type Open = (directory: string) => Promise<Candidate>;

/**
 * Durable puts and gets of small objects, and the time to start with many: our packs, LMDB, and a
 * file for each object, in turns. `--objects` is the number that the start is measured with.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      directory: { type: 'string', default: tmpdir() },
      rounds: { type: 'string', default: '5' },
      puts: { type: 'string', default: '20000' },
      objects: { type: 'string', default: '1000000' },
      bytes: { type: 'string', default: '1024' },
      concurrency: { type: 'string', default: '64' },
    },
  });
  const root = await mkdtemp(join(values.directory, 'granary-pack-bench-'));
  const load = { puts: Number(values.puts), bytes: Number(values.bytes), concurrency: Number(values.concurrency) };
  try {
    const opened = await Promise.all(
      CANDIDATES.map(async ({ open: openCandidate, maxPuts }, index) => {
        const candidate = await openCandidate(join(root, `${index}`));
        const result: Result = { name: candidate.name, puts: [], gets: [] };
        return { candidate, result, puts: Math.min(load.puts, maxPuts) };
      }),
    );
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const { candidate, result, puts } of opened) await measure(candidate, result, { ...load, puts });
    }
    for (const { candidate } of opened) await candidate.close();
    for (const [index, { open: openCandidate, maxStartObjects }] of CANDIDATES.entries()) {
      const objects = Math.min(Number(values.objects), maxStartObjects);
      const result = opened[index]?.result;
      if (objects > 0 && result !== undefined) {
        result.startMs = await measureStart(openCandidate, join(root, `${index}-start`), objects);
      }
    }
    const results = opened.map(({ result }) => result);
    report(results);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** One file each is too slow for more, and starts with nothing to do. */
const CANDIDATES: { open: Open; maxPuts: number; maxStartObjects: number }[] = [
  { open: openPacks, maxPuts: Infinity, maxStartObjects: Infinity },
  { open: openLmdbStore, maxPuts: Infinity, maxStartObjects: Infinity },
  { open: openFiles, maxPuts: 3000, maxStartObjects: 0 },
];

async function openPacks(directory: string): Promise<Candidate> {
  const store = await FileShardStore.open(await openStorageDirectory(directory));
  return {
    name: 'packs',
    put: (key, bytes) => store.put(toObjectName(key), bytes, {}),
    get: async key => {
      const reader = await store.open(toObjectName(key));
      if (reader === undefined) throw new Error(`${key} is not there.`);
      let found: Buffer = Buffer.alloc(0);
      await reader.copyTo(chunk => void (found = chunk));
      return found;
    },
    close: () => store.close(),
  };
}

async function openLmdbStore(directory: string): Promise<Candidate> {
  const database = openLmdb<Buffer, string>({
    path: directory,
    encoding: 'binary',
    noMemInit: true,
    overlappingSync: false,
  });
  return {
    name: 'lmdb',
    put: (key, bytes) => database.put(key, bytes),
    get: async key => {
      const found = database.getBinary(key);
      if (found === undefined) throw new Error(`${key} is not there.`);
      return found;
    },
    close: () => database.close(),
  };
}

/** What a careful program does: temporary name, write, sync, rename, sync the directory. */
async function openFiles(directory: string): Promise<Candidate> {
  await mkdir(directory);
  const parent = await open(directory, 'r');
  return {
    name: 'files',
    put: async (key, bytes) => {
      const path = join(directory, key);
      const file = await open(`${path}.tmp`, 'w');
      await file.write(bytes);
      await file.datasync();
      await file.close();
      await rename(`${path}.tmp`, path);
      await parent.sync();
    },
    get: key => readFile(join(directory, key)),
    close: () => parent.close(),
  };
}

interface Load {
  puts: number;
  bytes: number;
  concurrency: number;
}

interface Rate {
  perSecond: number;
  cpuMicros: number;
}

interface Result {
  name: string;
  puts: Rate[];
  gets: Rate[];
  startMs?: number;
}

/** One round: fresh keys are put, and then read in another order. */
async function measure(candidate: Candidate, result: Result, { puts, bytes, concurrency }: Load): Promise<void> {
  const body = Buffer.alloc(bytes, 'granary ');
  const round = result.puts.length;
  result.puts.push(await run(puts, concurrency, index => candidate.put(`key-${round}-${index}`, body)));
  result.gets.push(await run(puts, concurrency, index => candidate.get(`key-${round}-${(index * 7919) % puts}`)));
}

async function measureStart(openCandidate: Open, directory: string, objects: number): Promise<number> {
  const filled = await openCandidate(directory);
  const body = Buffer.alloc(100, 'granary ');
  await run(objects, 4096, index => filled.put(`key-${index}`, body));
  await filled.close();
  const begin = performance.now();
  const started = await openCandidate(directory);
  const startMs = performance.now() - begin;
  if ((await started.get(`key-${objects - 1}`)).length !== body.length) throw new Error('The last object is wrong.');
  await started.close();
  return startMs;
}

async function run(count: number, concurrency: number, task: (index: number) => Promise<unknown>): Promise<Rate> {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      await task(index);
    }
  };
  const cpu = process.cpuUsage();
  const begin = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: count / seconds, cpuMicros: (user + system) / count };
}

/** Medians; ratios to the first. */
function report(results: Result[]): void {
  const [first] = results;
  if (first === undefined) return;
  row(['', 'put/s', 'ratio', 'CPU µs', 'get/s', 'ratio', 'CPU µs', 'start ms']);
  row(Array.from({ length: 8 }, () => '---'));
  for (const { name, puts, gets, startMs } of results) {
    row([name, ...rateCells(puts, first.puts), ...rateCells(gets, first.gets), startMs?.toFixed(0) ?? '']);
  }
}

function rateCells(rates: Rate[], base: Rate[]): string[] {
  const perSecond = median(rates.map(rate => rate.perSecond));
  const ratio = perSecond / median(base.map(rate => rate.perSecond));
  return [perSecond.toFixed(0), ratio.toFixed(2), median(rates.map(rate => rate.cpuMicros)).toFixed(1)];
}

function median(values: number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? NaN;
}

function row(cells: string[]): void {
  console.log(`| ${cells.join(' | ')} |`);
}

await main();
