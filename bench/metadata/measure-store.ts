import { createHash } from 'node:crypto';
import { toObjectName, type ObjectName } from '#contracts';
import {
  eachObject,
  layoutOf,
  MAX_PAGE,
  NATIVE_BUCKET,
  newBlobId,
  newCommitId,
  toBlake3,
  toRedundancy,
  toServerId,
  type MetadataStore,
} from '#metadata';
import { nameOf, type FilledStore } from './filled-store.js';

export interface Figure {
  value: number;
  unit: string;
}

export type Figures = Record<string, Figure>;

/** Of names that differ: a name that was read is known until the next commit. */
const READS = 1000;
const AGAIN = 20_000;
/** A prime. */
const STRIDE = 7919;
const PAGES = 30;
const STREAMED_KEYS = 200_000;
const COMMITS = { 1: 300, 32: 3000 };
const SERVERS = ['a', 'b', 'c'].map(toServerId);

/** One round of everything, with the same names in every run. */
export async function measureStore({ store, objects }: FilledStore, round: number): Promise<Figures> {
  const random = randomNumbers(round + 1);
  const bucket = NATIVE_BUCKET;
  const find = async (key: ObjectName) => {
    const found = await store.find({ bucket, key });
    if (found === undefined) throw new Error(`${key} is not there`);
  };
  let next = Math.floor(random() * objects);
  const findNext = () => {
    // Meets every name before any name again.
    next = (next + STRIDE) % objects;
    return find(toObjectName(nameOf(next)));
  };
  // Behind this at least a page is left.
  const after = () => nameOf(Math.floor(random() * Math.max(0, objects / 1000 - 1)) * 1000);
  const forget = () => commit(store, round);
  await repeat(300, 1, findNext);
  await forget();
  const oneByOne = await microseconds(READS, 1, findNext);
  await forget();
  return {
    'GET by name': oneByOne,
    'GET by name, 32 at once': await rate(READS, 32, findNext, 'GET/s'),
    'GET of one name, 32 at once': await rate(AGAIN, 32, () => find(toObjectName(nameOf(0))), 'GET/s'),
    'page of 1000 keys': await microseconds(PAGES, 1, () =>
      page(store.listObjects({ bucket, ...(objects > 1000 ? { after: after() } : {}) })),
    ),
    'page of 1000 common prefixes': await microseconds(PAGES, 1, () =>
      page(store.listObjects({ bucket, delimiter: '/' })),
    ),
    'page of 1000 versions': await microseconds(PAGES, 1, () =>
      page(store.listVersions({ bucket, ...(objects > 1000 ? { after: { key: after() } } : {}) })),
    ),
    'listing, streamed': await stream(store, objects),
    'commit of a PUT': await microseconds(COMMITS[1], 1, () => commit(store, round)),
    'commit of a PUT, 32 at once': await rate(COMMITS[32], 32, () => commit(store, round), 'PUT/s'),
  };
}

async function page(listing: Promise<{ entries: readonly unknown[] }>): Promise<void> {
  const { entries } = await listing;
  if (entries.length !== MAX_PAGE) throw new Error(`a page of ${entries.length}`);
}

async function stream(store: MetadataStore, objects: number): Promise<Figure> {
  let keys = 0;
  const begin = performance.now();
  while (keys < STREAMED_KEYS) {
    const before = keys;
    for await (const { kind } of eachObject(store, { bucket: NATIVE_BUCKET })) {
      if (kind === 'prefix') throw new Error('no delimiter was given');
      keys += 1;
      if (keys === STREAMED_KEYS || keys - before > objects * 2) break;
    }
  }
  return { value: keys / ((performance.now() - begin) / 1000), unit: 'keys/s' };
}

let commits = 0;

/** New names behind all others, each with content of its own. */
async function commit(store: MetadataStore, round: number): Promise<void> {
  commits += 1;
  const name = `~/${process.pid}/${round}/${commits}`;
  const digest = createHash('sha256').update(name).digest('hex');
  const blob = {
    id: newBlobId(),
    size: 1024,
    blake3: toBlake3(digest),
    redundancy: toRedundancy('copies:3'),
    segmentSizeBytes: 4 * 1024 * 1024,
    storedBytes: 3072,
    layout: layoutOf([SERVERS]),
  };
  await store.commitPut({
    commitId: newCommitId(),
    bucket: NATIVE_BUCKET,
    key: toObjectName(name),
    etag: digest,
    headers: { 'content-type': 'image/jpeg' },
    content: { kind: 'stored', blob },
  });
}

async function microseconds(count: number, concurrency: number, task: () => Promise<unknown>): Promise<Figure> {
  return { value: ((await repeat(count, concurrency, task)) * 1000) / count, unit: 'µs' };
}

async function rate(count: number, concurrency: number, task: () => Promise<unknown>, unit: string): Promise<Figure> {
  return { value: count / ((await repeat(count, concurrency, task)) / 1000), unit };
}

/** Resolves to how many milliseconds it took. */
async function repeat(count: number, concurrency: number, task: () => Promise<unknown>): Promise<number> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await task();
    }
  };
  const begin = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  return performance.now() - begin;
}

/** xorshift32 */
function randomNumbers(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
