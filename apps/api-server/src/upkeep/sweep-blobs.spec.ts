import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toObjectName, type ObjectName } from '#contracts';
import { NATIVE_BUCKET, type Blob, type BlobId, type MetadataStore } from '#metadata';
import { openSqliteMetadata } from '#metadata/sqlite';
import { patientThread } from '#metadata/testing';
import { silentLogger } from '#telemetry';
import { redundancyFor } from '../blobs/redundancy-for.js';
import { BlobCluster } from '../blobs/testing/blob-cluster.js';
import { interpose, unavailable, type InterposedMetadata } from '../versions/testing/interposed-metadata.js';
import { openVersions } from '../versions/versions.module.js';
import type { VersionedStore } from '../versions/versioned-store.js';
import { sweepBlobs } from './sweep-blobs.js';

const SMALL_BYTES = 1000;
const CLEAN_UP_MS = 200;
/** Of copies; of erasure-coded segments, two of them. */
const SIZES = [10, 3000];
const GRACE_MS = 2;
const LEASE_MS = 40;
const RACING_MS = 60_000;

/** Real metadata, six data servers in memory that fail on command, and the writes of an API server beside the sweep. */
describe('sweepBlobs', () => {
  let directory: string;
  let real: MetadataStore;
  let cluster: BlobCluster;
  let metadata: InterposedMetadata;
  let store: VersionedStore;
  /** What the writers use; the sweep has one of its own. */
  let writers: InterposedMetadata;
  let count = 0;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'granary-sweep-'));
    real = await openSqliteMetadata({ path: join(directory, 'metadata.db'), ...patientThread });
  });
  afterAll(async () => {
    await real.close();
    await rm(directory, { recursive: true });
  });
  beforeEach(async () => {
    // What the case before left behind is on servers that are no more.
    await sleep(LEASE_MS + 5);
    const left = await real.freeBlobs({ graceMs: 0, leaseMs: LEASE_MS, limit: 1000 });
    await real.forgetBlobs(left.map(({ id }) => id));
    openCluster(CLEAN_UP_MS);
  });

  function openCluster(cleanUpMs: number): void {
    cluster = new BlobCluster({ settings: { smallSegmentBytes: SMALL_BYTES, segmentSizeBytes: 2000, cleanUpMs } });
    metadata = interpose(real);
    writers = interpose(real);
    ({ store } = openVersions({
      metadata: writers.store,
      blobs: cluster.blobs,
      redundancyFor: (asked, size) => redundancyFor(asked, size <= SMALL_BYTES ? 'small' : 'large', 6),
      addressOf: () => undefined,
      logger: silentLogger,
    }));
  }

  const fresh = (): ObjectName => toObjectName(`name ${(count += 1)}`);
  const contentOf = (size: number): Buffer => Buffer.alloc(size, `${(count += 1)} is its content. `);

  async function sweep(
    options: { leaseMs?: number; signal?: AbortSignal } = {},
  ): Promise<[freed: number, kept: number]> {
    await sleep(GRACE_MS + 3);
    let freed = 0;
    const onFreed = (blobs: readonly Blob[]): void => void (freed += blobs.length);
    const ports = { metadata: metadata.store, blobs: cluster.blobs };
    const kept = await sweepBlobs(ports, { graceMs: GRACE_MS, leaseMs: LEASE_MS, onFreed, ...options });
    return [freed, kept];
  }

  async function put(content: Buffer, streamed = false, name = fresh()): Promise<Stored> {
    if (!streamed) {
      const { version } = await store.put(name, content, { attributes: {} });
      return { name, version: version ?? '' };
    }
    const writer = await store.create(name, { attributes: {}, length: content.length });
    await writer.write(content);
    const { version } = await writer.commit();
    return { name, version: version ?? '' };
  }

  const remove = ({ name, version }: Stored) => store.remove(name, { version });

  async function blobOf({ name }: Stored): Promise<BlobId> {
    const version = await real.find({ bucket: NATIVE_BUCKET, key: name });
    if (version?.kind !== 'object') throw new Error(`${name} is no object`);
    return version.blobs[0]?.id as BlobId;
  }

  async function read({ name }: Stored): Promise<Buffer> {
    const chunks: Buffer[] = [];
    const reader = await store.open(name);
    await reader?.copyTo(async chunk => void chunks.push(Buffer.from(chunk)));
    await reader?.close();
    return Buffer.concat(chunks);
  }

  for (const size of SIZES) {
    describe(`of blobs of ${size} bytes`, () => {
      it('removes the shards of what nothing refers to, then forgets it, and leaves the rest', async () => {
        const content = contentOf(size);
        const [kept, twice, dropped] = [await put(contentOf(size)), await put(content), await put(content)];
        const shardsBefore = cluster.shards();
        const blob = await blobOf(dropped);
        await remove(dropped);
        expect(await sweep()).toEqual([0, 0]);
        await remove(twice);
        expect(await sweep()).toEqual([1, 0]);
        expect(cluster.shards()).toBe(shardsBefore / 2);
        expect(await real.knownBlobs([blob, await blobOf(kept)])).toEqual(new Set([await blobOf(kept)]));
        expect(await read(kept)).toHaveLength(size);
      });

      for (const how of ['gone', 'dead', 'hung'] as const) {
        it(`keeps what has a shard on a server that is ${how}, and finishes when it is back`, async () => {
          const stored = await put(contentOf(size));
          const blob = await blobOf(stored);
          await remove(stored);
          const [away = ''] = holders();
          if (how === 'gone') cluster.gone.add(away);
          else cluster.setCondition(how, [away]);
          expect(await sweep()).toEqual([0, 1]);
          expect(holders()).toEqual([away]);
          expect(await sweep({ leaseMs: 60_000 })).toEqual([0, 0]);
          expect(await real.knownBlobs([blob])).toEqual(new Set([blob]));

          cluster.gone.delete(away);
          cluster.setCondition('up', [away]);
          await sleep(LEASE_MS);
          expect(await sweep()).toEqual([1, 0]);
          expect([cluster.shards(), await real.knownBlobs([blob])]).toEqual([0, new Set()]);
        });
      }

      it('does not wait for a server that was forgotten', async () => {
        const stored = await put(contentOf(size));
        await remove(stored);
        const [forgotten = ''] = holders();
        cluster.forgotten.add(forgotten);
        expect(await sweep()).toEqual([1, 0]);
        expect(holders()).toEqual([forgotten]);
      });

      // Before the blob is taken it is revived; from then on the content is stored anew, and the sweep does not touch that.
      for (const streamed of [false, true]) {
        const how = streamed ? 'streamed' : 'whole';
        for (const step of ['freeBlobs', 'remove', 'forgetBlobs'] as const) {
          it(`leaves its shards to a ${how} PUT of the same content that comes at ${step}`, async () => {
            const content = contentOf(size);
            await remove(await put(content));
            const putting: Promise<Stored>[] = [];
            if (step === 'remove') {
              cluster.stores.forEach(server => {
                server.onStep = each => {
                  if (each === 'remove' && putting.length < 3) putting.push(put(content, streamed));
                };
              });
            } else {
              metadata.before(step, async () => void (await (putting[0] = put(content, streamed))));
            }
            await sweep();
            expect(putting.length).toBeGreaterThan(0);
            const stored = await Promise.all(putting);
            await sleep(LEASE_MS);
            await sweep();
            for (const each of stored) expect((await read(each)).equals(content)).toBe(true);
            expect(await shardsOfLive(stored)).toBe(cluster.shards());
          });
        }

        // What is streamed is only known when it was stored.
        for (const step of streamed ? (['commitPut'] as const) : (['findBlob', 'commitPut'] as const)) {
          it(`that comes before ${step} of a ${how} PUT of the same content leaves it its shards`, async () => {
            const content = contentOf(size);
            await remove(await put(content));
            let swept: [number, number] | undefined;
            writers.before(step, async () => void (swept = await sweep()));
            const stored = await put(content, streamed);
            expect(swept).toEqual([1, 0]);
            await sleep(LEASE_MS);
            await sweep();
            expect((await read(stored)).equals(content)).toBe(true);
          });
        }
      }
    });
  }

  it('waits for a hung server once, however many blobs have shards there', async () => {
    openCluster(2000);
    for (let index = 0; index < 30; index += 1) await remove(await put(contentOf(10)));
    cluster.setCondition('hung', ['s0']);
    const startedMs = performance.now();
    const [freed, kept] = await sweep();
    // For each of some 15 that are there, it would be half a minute.
    expect(performance.now() - startedMs).toBeLessThan(15_000);
    expect(freed + kept).toBe(30);
    expect(Math.min(freed, kept)).toBeGreaterThan(0);
    expect(new Set(holders())).toEqual(new Set(['s0']));
  });

  it('frees more than a page in one go', async () => {
    await Promise.all(Array.from({ length: 230 }, async () => remove(await put(contentOf(10)))));
    expect(await sweep()).toEqual([230, 0]);
    expect(cluster.shards()).toBe(0);
  });

  it('finishes, after the lease, what another sweeper took and did not forget', async () => {
    const stored = await put(contentOf(10));
    const blob = await blobOf(stored);
    await remove(stored);
    metadata.before('forgetBlobs', () => {
      throw unavailable();
    });
    await expect(sweep()).rejects.toMatchObject({ code: 'metadata-unavailable' });
    expect(await real.knownBlobs([blob])).toEqual(new Set([blob]));
    await sleep(LEASE_MS);
    expect(await sweep()).toEqual([1, 0]);
    expect(await real.knownBlobs([blob])).toEqual(new Set());
  });

  it('that is ended forgets nothing that may have a shard left', async () => {
    for (let index = 0; index < 20; index += 1) await remove(await put(contentOf(10)));
    const end = new AbortController();
    let removals = 0;
    for (const server of cluster.stores) server.onStep = () => (removals += 1) === 20 && end.abort();
    const [freed, kept] = await sweep({ signal: end.signal });
    expect(freed + kept).toBe(20);
    expect(kept).toBeGreaterThan(0);
    expect(cluster.shards()).toBeGreaterThan(0);
    await sleep(LEASE_MS);
    expect(await sweep()).toEqual([kept, 0]);
    expect(cluster.shards()).toBe(0);
  });

  it('never takes a shard from a version, while many write, delete and sweep the same contents', async () => {
    const contents = [contentOf(10), contentOf(3000)];
    const endMs = performance.now() + RACING_MS;
    let isOver = false;
    let freed = 0;
    // Whether a sweep meets a content that nobody has is luck.
    const isEnough = (round: number): boolean => round >= 25 && (freed >= 5 || performance.now() > endMs);
    const sweeping = Array.from({ length: 2 }, async () => {
      while (!isOver) freed += (await sweep())[0];
    });
    const writing = Array.from({ length: 6 }, async (_, writer) => {
      for (let round = 0; !isEnough(round); round += 1) {
        const content = contents[(writer + round) % contents.length] as Buffer;
        const stored = await put(content, round % 3 === 0);
        expect((await read(stored)).equals(content)).toBe(true);
        await remove(stored);
        await sleep(GRACE_MS * 2 * (round % 2));
      }
      return put(contents[writer % 2] as Buffer);
    });
    const last = await Promise.all(writing);
    isOver = true;
    await Promise.all(sweeping);
    expect(freed).toBeGreaterThanOrEqual(5);
    await sleep(LEASE_MS);
    await sweep();
    for (const [writer, stored] of last.entries()) {
      expect((await read(stored)).equals(contents[writer % 2] as Buffer)).toBe(true);
    }
    expect(await shardsOfLive(last)).toBe(cluster.shards());
  });

  /** The servers that hold any shard, once for each. */
  function holders(): string[] {
    return cluster.stores
      .filter((_, index) => [...(cluster.catalogs[index]?.entries() ?? [])].some(({ removed }) => !removed))
      .map(({ id }) => id);
  }

  /** How many shards the blobs of these versions have together. */
  async function shardsOfLive(stored: readonly Stored[]): Promise<number> {
    const sizes = new Map<BlobId, number>();
    for (const { name } of stored) {
      const version = await real.find({ bucket: NATIVE_BUCKET, key: name });
      if (version?.kind === 'object') for (const { id, layout } of version.blobs) sizes.set(id, layout.shards.length);
    }
    return [...sizes.values()].reduce((sum, shards) => sum + shards, 0);
  }
});

interface Stored {
  name: ObjectName;
  version: string;
}
