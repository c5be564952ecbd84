import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, open, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open as openLmdb } from 'lmdb';
import { GranaryError, toObjectName } from '#contracts';
import { FileShardStore, openStorageDirectory } from '#storage/file';

/**
 * What one flipped bit costs, in our packs and in LMDB: a store of 10 000 objects of 1 KiB is copied,
 * one bit of its data file is flipped, and a process of its own reads every object. Seeded.
 */
async function main(): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'granary-bit-flips-'));
  try {
    await fillPacks(join(root, 'packs'));
    await fillLmdb(join(root, 'lmdb'));
    console.log('| | a bit of | trials | crashed | objects lost, most in one trial | objects served wrong |');
    console.log('| --- | --- | --- | --- | --- | --- |');
    for (const kind of ['packs', 'lmdb']) {
      console.log(await judge(kind, 'anything', root));
      console.log(await judge(kind, 'all but the objects', root));
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

const OBJECTS = 10_000;
const TRIALS = 60;

function bodyOf(index: number): Buffer {
  return Buffer.alloc(1024, `object ${index} `);
}

async function fillPacks(directory: string): Promise<void> {
  const store = await FileShardStore.open(await openStorageDirectory(directory));
  const puts = Array.from({ length: OBJECTS }, (_, index) =>
    store.put(toObjectName(`key-${index}`), bodyOf(index), {}),
  );
  await Promise.all(puts);
  await store.close();
}

async function fillLmdb(directory: string): Promise<void> {
  const database = openLmdb<Buffer, string>({ path: directory, encoding: 'binary' });
  await Promise.all(Array.from({ length: OBJECTS }, (_, index) => database.put(`key-${index}`, bodyOf(index))));
  await database.close();
}

interface Verdict {
  lost: number;
  wrong: number;
}

async function judge(kind: string, target: string, root: string): Promise<string> {
  const random = xorshift(20_261_121);
  let crashed = 0;
  const verdicts: Verdict[] = [];
  for (let trial = 0; trial < TRIALS; trial += 1) {
    const copy = join(root, 'copy');
    await cp(join(root, kind), copy, { recursive: true });
    await flipBit(await dataFile(copy), random, target === 'anything');
    try {
      const output = execFileSync(process.execPath, [fileURLToPath(import.meta.url), kind, copy], {
        timeout: 60_000,
        stdio: 'pipe',
      });
      const [lost = 0, wrong = 0] = output.toString().trim().split(' ').map(Number);
      verdicts.push({ lost, wrong });
    } catch {
      crashed += 1;
    }
    await rm(copy, { recursive: true });
  }
  const mostLost = Math.max(...verdicts.map(({ lost }) => lost));
  const wrong = verdicts.reduce((sum, verdict) => sum + verdict.wrong, 0);
  return `| ${kind} | ${target} | ${TRIALS} | ${crashed} | ${mostLost} | ${wrong} |`;
}

async function dataFile(directory: string): Promise<string> {
  const names = await readdir(directory, { recursive: true });
  const name = names.find(candidate => candidate.endsWith('.pack') || candidate.endsWith('data.mdb'));
  if (name === undefined) throw new Error(`${directory} has no data file.`);
  return join(directory, name);
}

async function flipBit(path: string, random: () => number, anywhere: boolean): Promise<void> {
  const bytes = await readFile(path);
  let at = Math.floor(random() * bytes.length);
  while (!anywhere && isPayload(bytes, at)) at = Math.floor(random() * bytes.length);
  const flipped = Buffer.from([(bytes[at] ?? 0) ^ (1 << (at % 8))]);
  const file = await open(path, 'r+');
  await file.write(flipped, 0, 1, at);
  await file.close();
}

/** Bodies repeat a text of at most 12 bytes; nothing is said about bytes that are zero, as most of LMDB's free space is. */
function isPayload(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0 || bytes.subarray(Math.max(0, at - 12), at + 12).includes('object');
}

/** Runs in a process of its own: prints how many objects cannot be read, and how many are read wrong. */
async function readAll(kind: string, directory: string): Promise<void> {
  const read = kind === 'packs' ? await packReader(directory) : lmdbReader(directory);
  let lost = 0;
  let wrong = 0;
  for (let index = 0; index < OBJECTS; index += 1) {
    const found = await read(`key-${index}`);
    if (found === undefined) lost += 1;
    else if (!found.equals(bodyOf(index))) wrong += 1;
  }
  console.log(`${lost} ${wrong}`);
  process.exit(0);
}

type Read = (key: string) => Promise<Buffer | undefined>;

async function packReader(directory: string): Promise<Read> {
  const store = await FileShardStore.open(await openStorageDirectory(directory));
  return async key => {
    const chunks: Buffer[] = [];
    try {
      const reader = await store.open(toObjectName(key));
      await reader?.copyTo(chunk => void chunks.push(chunk));
      return reader && Buffer.concat(chunks);
    } catch (error) {
      if (error instanceof GranaryError && error.code === 'object-damaged') return undefined;
      throw error;
    }
  };
}

function lmdbReader(directory: string): Read {
  const database = openLmdb<Buffer, string>({ path: directory, encoding: 'binary', readOnly: true });
  return async key => database.getBinary(key);
}

function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const [kind, directory] = process.argv.slice(2);
if (kind !== undefined && directory !== undefined) await readAll(kind, directory);
else await main();
