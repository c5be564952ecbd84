/**
 * `npm run bench:blobs`: what blobs cost on top of the stores below them. CPU of this process, which has
 * all of it: the layer itself, and six stores without a network between. Each figure stands beside that
 * of the same bytes given to one store directly, by which the layer's own part is seen.
 *
 * 64 MiB are streamed as ec:4+2, and read whole, and with two servers gone; 1 KiB is put as copies:3 and
 * read, 32 at once. Stores: `memory` keeps what it is given (and hashes it); `nothing` only counts; `disk`
 * is the real one, without fsync unless `--fsync` is given.
 *
 *   --rounds n       the median counts
 *   --objects n      small objects in a round
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { Member } from '#cluster';
import { toObjectName, type ObjectName } from '#contracts';
import { toBlake3, toRedundancy, type Blob, type NewBlob } from '#metadata';
import { contentHash, type ShardStore } from '#storage';
import { FileShardStore, openStorageDirectory } from '#storage/file';
import { MemoryShardStore } from '#storage/memory';
import { RedundantBlobStore } from '../../apps/api-server/src/blobs/redundant-blob-store.js';
import { CountingStore } from './counting-store.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    objects: { type: 'string', default: '5000' },
    fsync: { type: 'boolean', default: false },
  },
});
const ROUNDS = Number(values.rounds);
const OBJECTS = Number(values.objects);
const SERVERS = 6;
const AT_ONCE = 32;
const CHUNK = randomBytes(64 * 1024);
const LARGE_CHUNKS = 1024;
const LARGE_BYTES = LARGE_CHUNKS * CHUNK.length;
const SMALL = randomBytes(1024);
const SMALL_CONTENT = { bytes: SMALL, blake3: toBlake3(contentHash.of(SMALL).toString('hex')) };
const ec = { redundancy: toRedundancy('ec:4+2') };
const copies = { redundancy: toRedundancy('copies:3') };

interface Rig {
  name: string;
  blobs: RedundantBlobStore;
  stores: readonly ShardStore[];
  /** Ids of servers that are out of reach. */
  gone: Set<string>;
  close: () => Promise<void>;
}

for (const rig of [
  rigOf('nothing', () => new CountingStore()),
  rigOf('memory', () => new MemoryShardStore()),
  await rigOnDisks(),
]) {
  await measureLarge(rig);
  await measureSmall(rig);
  await rig.close();
}

async function measureLarge({ name, blobs, stores, gone }: Rig): Promise<void> {
  const [store] = stores as [ShardStore];
  const figures = {
    directPut: [] as number[],
    directGet: [] as number[],
    put: [] as number[],
    get: [] as number[],
    decode: [] as number[],
  };
  for (let round = 0; round < ROUNDS + 1; round += 1) {
    const key = toObjectName(`direct-${round}`);
    figures.directPut.push(
      await cpuOf(async () => {
        const writer = await store.create(key, { length: LARGE_BYTES });
        for (let index = 0; index < LARGE_CHUNKS; index += 1) await writer.write(CHUNK);
        await writer.commit();
      }),
    );
    figures.directGet.push(await cpuOf(() => readKey(store, key)));
    await store.remove(key, {});
    let blob: NewBlob | undefined;
    figures.put.push(await cpuOf(async () => void (blob = await writeLarge(blobs))));
    if (blob === undefined) return;
    const written = blob;
    figures.get.push(await cpuOf(() => readAll(blobs, written)));
    gone.add('s0').add('s1');
    figures.decode.push(await cpuOf(() => readAll(blobs, written)));
    gone.clear();
    await blobs.discard(blob);
  }
  console.log(
    `${name.padEnd(8)} 64 MiB ec:4+2, ns per byte: PUT ${nsPerByte(figures.put)} (one store, once: ${nsPerByte(figures.directPut)}), ` +
      `GET ${nsPerByte(figures.get)} (one store: ${nsPerByte(figures.directGet)}), GET with two servers gone ${nsPerByte(figures.decode)}`,
  );
}

function nsPerByte(list: readonly number[]): string {
  return ((median(list.slice(1)) / LARGE_BYTES) * 1000).toFixed(3);
}

/** Per object. */
function us(list: readonly number[]): string {
  return (median(list.slice(1)) / OBJECTS).toFixed(1);
}

async function writeLarge(blobs: RedundantBlobStore): Promise<NewBlob> {
  const writer = await blobs.create({ ...ec, length: LARGE_BYTES });
  for (let index = 0; index < LARGE_CHUNKS; index += 1) await writer.write(CHUNK);
  return writer.commit();
}

async function measureSmall({ name, blobs, stores }: Rig): Promise<void> {
  const [store] = stores as [ShardStore];
  const figures = { directPut: [] as number[], directGet: [] as number[], put: [] as number[], get: [] as number[] };
  for (let round = 0; round < ROUNDS + 1; round += 1) {
    const keyOf = (index: number) => toObjectName(`direct-${round}-${index}`);
    figures.directPut.push(await cpuOf(() => many(index => store.put(keyOf(index), SMALL, {}))));
    figures.directGet.push(await cpuOf(() => many(index => readKey(store, keyOf(index)))));
    const written: NewBlob[] = [];
    figures.put.push(await cpuOf(() => many(async () => void written.push(await blobs.put(SMALL_CONTENT, copies)))));
    figures.get.push(await cpuOf(() => many(index => readAll(blobs, written[index] as NewBlob))));
  }
  console.log(
    `${name.padEnd(8)} 1 KiB copies:3, µs: PUT ${us(figures.put)} (one store, once: ${us(figures.directPut)}), ` +
      `GET ${us(figures.get)} (one store: ${us(figures.directGet)})`,
  );
}

async function readKey(store: ShardStore, key: ObjectName): Promise<void> {
  const reader = await store.open(key);
  await reader?.copyTo(() => undefined);
  await reader?.close();
}

async function readAll(blobs: RedundantBlobStore, blob: NewBlob): Promise<void> {
  const stored: Blob = Object.assign(blob, { createdMs: 0 });
  const reader = blobs.open([stored]);
  await reader.copyTo(() => undefined);
  await reader.close();
}

/** Some at a time, so that stores can group their commits. */
async function many(operation: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < OBJECTS) await operation(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, run));
}

/** µs. */
async function cpuOf(work: () => Promise<unknown>): Promise<number> {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

function rigOf(name: string, storeOf: (index: number) => ShardStore, close = async (): Promise<void> => {}): Rig {
  const stores = Array.from({ length: SERVERS }, (_, index) => storeOf(index));
  const members = stores.map((_, index) => memberOf(`s${index}`));
  const gone = new Set<string>();
  const blobs = new RedundantBlobStore({
    servers: {
      candidates: () => members,
      countFull: () => 0,
      countKnown: () => SERVERS,
      countExpected: () => SERVERS,
      isForgotten: () => false,
      find: id => members.find(({ key }) => key === id && !gone.has(key)),
      storeOf: ({ key }) => stores[Number(key.slice(1))] as ShardStore,
    },
    report: () => {},
  });
  return { name, blobs, stores, gone, close };
}

async function rigOnDisks(): Promise<Rig> {
  const root = await mkdtemp(join(tmpdir(), 'granary-bench-blobs-'));
  const stores: FileShardStore[] = [];
  for (let index = 0; index < SERVERS; index += 1) {
    const directory = await openStorageDirectory(join(root, `s${index}`));
    stores.push(await FileShardStore.open(directory, { fsync: values.fsync }));
  }
  const close = async (): Promise<void> => {
    await Promise.all(stores.map(store => store.close()));
    await rm(root, { recursive: true });
  };
  return rigOf('disk', index => stores[index] as FileShardStore, close);
}

function memberOf(id: string): Member {
  const beat = { sequence: 1, state: 'ready', capacityBytes: 2 ** 40, usedBytes: 0, clock: 0, members: [id] } as const;
  return {
    key: id,
    address: `${id}.test:80`,
    kind: 'granary',
    facts: { ...beat, serverId: id, bootId: `${id}-boot` },
    lastBeatMs: 0,
    lastBeatAt: new Date(0),
    proven: true,
    suspect: false,
  };
}

function median(list: readonly number[]): number {
  return list.toSorted((a, b) => a - b)[list.length >> 1] ?? Number.NaN;
}
