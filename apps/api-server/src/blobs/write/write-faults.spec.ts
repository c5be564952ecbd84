/**
 * Writes while servers die, hang, dawdle or fill up, at any moment: what has its write quorum succeeds
 * and is whole, what has not is refused with the right code, and what is refused or aborted leaves no
 * shard behind. Fails if a shard counts that is not durable, if a server that hangs holds a write up
 * without a bound, or if a shard that was given up is in the layout.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { missingShards, schemeOf, segmentCount, serverOf, toRedundancy, type NewBlob } from '#metadata';
import { writeQuorumOf } from '../redundancy-for.js';
import { stripeBuffers } from '../stripe-buffers.js';
import { BlobCluster, type BlobClusterOptions } from '../testing/blob-cluster.js';
import type { Condition } from '../testing/faulty-store.js';
import { sampleBytes } from '../testing/sample-bytes.js';

const KIB = 1024;
const settings = {
  segmentSizeBytes: 1000 * KIB,
  stragglerGraceMs: 20,
  laggardMs: 60,
  beginMs: 60,
  patienceMs: 300,
  cleanUpMs: 100,
  avoidSlowMs: 1,
};
const SMALL = sampleBytes(100 * KIB, 7);
const LARGE = sampleBytes(2300 * KIB + 7, 8);
const CASES = [
  ['a small content', SMALL, 'copies:3', 6],
  ['large copies', LARGE, 'copies:3', 6],
  ['erasure-coded segments', LARGE, 'ec:4+2', 8],
] as const;

function clusterOf(servers: number, options: BlobClusterOptions = {}): BlobCluster {
  const cluster = new BlobCluster({ servers, ...options, settings: { ...settings, ...options.settings } });
  for (const store of cluster.stores) store.slowMs = 100;
  return cluster;
}

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);
beforeAll(() => void process.on('unhandledRejection', note));
afterAll(() => {
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
  expect(stripeBuffers.lent.nowBytes).toBe(0);
});

describe.each(CASES)('writing %s', (_, bytes, redundancy, servers) => {
  const quorum = writeQuorumOf(schemeOf(toRedundancy(redundancy)));

  it('succeeds with any one server of its quorum to spare failing in any way at any moment, and is read with another dead', async () => {
    const bad: Condition[] = ['dead', 'hung', 'slow', 'full', 'refusing'];
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: servers - 1 }),
        fc.constantFrom(...bad),
        fc.nat({ max: 60 }),
        async (at, condition, steps) => {
          const cluster = clusterOf(servers);
          breakAfter(cluster, steps, () => cluster.setCondition(condition, [`s${at}`]));
          const blob = await cluster.write(bytes, redundancy);
          expectQuorum(blob, quorum);
          const spare = schemeOf(blob.redundancy).shards - quorum;
          cluster.setCondition('dead', [`s${at}`]);
          if (spare > 0 && missingShards(blob.layout).length === 0)
            cluster.setCondition('dead', [`s${(at + 1) % servers}`]);
          expect((await cluster.read(blob)).equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('succeeds whole with two servers dead from the start, while others are left', async () => {
    for (const condition of ['dead', 'hung', 'full', 'refusing'] as const) {
      const cluster = clusterOf(servers + 2);
      cluster.setCondition(condition, ['s0', 's1']);
      const blob = await cluster.write(bytes, redundancy);
      // One that hangs may already have cost the others their patience.
      if (condition !== 'hung') expect(missingShards(blob.layout)).toEqual([]);
      expectQuorum(blob, quorum);
      expect((await cluster.read(blob)).equals(bytes)).toBe(true);
    }
  });

  it('either has its quorum or is refused, whichever servers fail, and when refused leaves nothing', async () => {
    const bad: Condition[] = ['full', 'refusing'];
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat({ max: servers - 1 }), { minLength: 2, maxLength: servers }),
        fc.constantFrom(...bad),
        fc.nat({ max: 40 }),
        async (chosen, condition, steps) => {
          const cluster = clusterOf(servers);
          breakAfter(cluster, steps, () =>
            cluster.setCondition(
              condition,
              chosen.map(at => `s${at}`),
            ),
          );
          try {
            const blob = await cluster.write(bytes, redundancy);
            expectQuorum(blob, quorum);
            expect((await cluster.read(blob)).equals(bytes)).toBe(true);
          } catch (error) {
            expect(error).toMatchObject({ code: condition === 'full' ? 'storage-full' : 'no-data-server' });
            await expectNothingLeft(cluster);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is refused at once, naming the shortfall, when too few servers are known to live', async () => {
    const cluster = clusterOf(servers);
    for (let at = 0; at <= servers - quorum; at += 1) cluster.suspects.add(`s${at}`);
    const refusal = { code: 'no-data-server', status: 503 };
    await expect(cluster.write(bytes, redundancy)).rejects.toMatchObject(refusal);
    await expect(cluster.write(bytes, redundancy)).rejects.toThrow(
      `needs ${quorum} data servers, and ${quorum - 1} of ${servers}`,
    );
    await expect(cluster.put(bytes, redundancy)).rejects.toMatchObject(refusal);
    expect(cluster.stores.map(({ operations }) => operations.size)).toEqual(cluster.stores.map(() => 0));
  });

  it('is storage-full when space is what lacks, be it known before or found out, and heals', async () => {
    for (const isKnown of [true, false]) {
      const cluster = clusterOf(servers);
      const all = cluster.stores.map(({ id }) => id);
      if (isKnown) for (const id of all) cluster.full.add(id);
      else cluster.setCondition('full', all);
      await expect(cluster.write(bytes, redundancy)).rejects.toMatchObject({ code: 'storage-full', status: 507 });
      await expectNothingLeft(cluster);
      cluster.full.clear();
      cluster.setCondition('up', all);
      expect((await cluster.read(await cluster.write(bytes, redundancy))).equals(bytes)).toBe(true);
    }
  });

  it('leaves nothing when it is aborted at any moment, even if a server hangs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 40 }), fc.boolean(), async (steps, isSignal) => {
        const cluster = clusterOf(servers, {
          settings: isSignal ? { patienceMs: 5000, laggardMs: 5000, beginMs: 5000 } : {},
        });
        const abortion = new AbortController();
        const writer = await cluster.blobs.create({ redundancy: toRedundancy(redundancy), signal: abortion.signal });
        breakAfter(cluster, steps, () => {
          cluster.setCondition('hung', ['s0']);
          if (isSignal) setImmediate(() => abortion.abort(new Error('the client went')));
        });
        const failed = await writeAll(writer, bytes, isSignal).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (isSignal && failed !== undefined) expect(failed).toMatchObject({ message: 'the client went' });
        await writer.abort();
        cluster.setCondition('up', ['s0']);
        await expectNothingLeft(cluster);
      }),
      { numRuns: 25 },
    );
  });

  it('checks what was declared, and leaves nothing when it is otherwise', async () => {
    const cluster = clusterOf(servers);
    const sha256 = createHash('sha256').update(bytes).digest();
    const md5 = createHash('md5').update(bytes).digest();
    const options = { redundancy: toRedundancy(redundancy) };
    const wrong = Buffer.alloc(32);
    const attempts = [
      [{ length: bytes.length + 1 }, undefined, 'body-incomplete'],
      [{ length: bytes.length - 1 }, undefined, 'body-incomplete'],
      [{ expected: { sha256: wrong } }, undefined, 'digest-mismatch'],
      [{}, { sha256: wrong }, 'digest-mismatch'],
      [{ expected: { md5 } }, { sha256: wrong }, 'digest-mismatch'],
    ] as const;
    for (const [declared, expected, code] of attempts) {
      const writer = await cluster.blobs.create({ ...options, ...declared });
      const written = Promise.resolve(writer.write(bytes)).then(() => writer.commit(expected && { expected }));
      await expect(written).rejects.toMatchObject({ code });
      await writer.abort();
      await expectNothingLeft(cluster);
    }
    const writer = await cluster.blobs.create({ ...options, expected: { md5 }, length: bytes.length });
    await writer.write(bytes);
    const blob = await writer.commit({ expected: { sha256 } });
    expect([blob.sha256, (await cluster.read(blob)).equals(bytes)]).toEqual([sha256.toString('hex'), true]);
  });

  it('is gone after it was discarded', async () => {
    const cluster = clusterOf(servers);
    const blob = await cluster.write(bytes, redundancy);
    cluster.setCondition('hung', ['s0']);
    await cluster.blobs.discard(blob);
    cluster.setCondition('up', ['s0']);
    const left = Array.from({ length: segmentCount(blob.layout) * blob.layout.shardsPerSegment }, (_, at) =>
      serverOf(blob.layout, 0, at),
    ).filter(id => id === 's0').length;
    expect(cluster.shards()).toBeLessThanOrEqual(left);
  });
});

describe('a slow server', () => {
  it('costs a small write the grace once, and is avoided after that', async () => {
    const cluster = clusterOf(6, { settings: { avoidSlowMs: 60_000 } });
    cluster.setCondition('hung', ['s2']);
    let missing = 0;
    for (let index = 0; index < 20; index += 1)
      missing += missingShards((await cluster.put(SMALL, 'copies:3')).layout).length;
    expect(missing).toBe(1);
  });

  it('is replaced in a small write that it keeps waiting, also when there are two', async () => {
    const cluster = clusterOf(6, { settings: { patienceMs: 60_000 } });
    cluster.setCondition('hung', ['s0', 's1']);
    for (let turn = 0; turn < 20; turn += 1) {
      const blob = await cluster.put(SMALL, 'copies:3');
      expectQuorum(blob, 2);
      expect((await cluster.read(blob)).equals(SMALL)).toBe(true);
    }
  });

  it('does not hold the others of a segment up beyond its allowance, and its shard is left out', async () => {
    const cluster = clusterOf(6, { settings: { laggardMs: 200, beginMs: 60_000, patienceMs: 60_000 } });
    const writer = await cluster.blobs.create({ redundancy: toRedundancy('ec:4+2') });
    await writer.write(LARGE.subarray(0, 600 * KIB));
    cluster.setCondition('hung', ['s3']);
    const start = performance.now();
    await writer.write(LARGE.subarray(600 * KIB));
    const blob = await writer.commit();
    expect(performance.now() - start).toBeLessThan(20_000);
    expect(missingShards(blob.layout).length).toBe(segmentCount(blob.layout));
    cluster.setCondition('dead', ['s3']);
    expect((await cluster.read(blob)).equals(LARGE)).toBe(true);
  });

  it('that begins late is waited for where another is dead and none is left to replace it', async () => {
    const cluster = clusterOf(6, { settings: { beginMs: 1_000, laggardMs: 60_000, patienceMs: 60_000 } });
    cluster.setCondition('dead', ['s0']);
    cluster.setCondition('slow', ['s1']);
    for (const store of cluster.stores) store.slowMs = 1_500;
    const blob = await cluster.write(LARGE, 'ec:4+2');
    expectQuorum(blob, 5);
    cluster.setCondition('dead', ['s2']);
    expect((await cluster.read(blob)).equals(LARGE)).toBe(true);
  });

  it.each([
    ['two that hang of six', 6, [], ['s0', 's1'], 4],
    ['three that hang of seven', 7, [], ['s0', 's1', 's2'], 4],
    ['one that is dead and one that hangs, of six', 6, ['s0'], ['s1'], 4],
  ])('is given up in bounded time where a quorum is not to be had: %s', async (_, servers, dead, hung, usable) => {
    const cluster = clusterOf(servers, { settings: { beginMs: 100, laggardMs: 60_000, patienceMs: 60_000 } });
    cluster.setCondition('dead', dead);
    cluster.setCondition('hung', hung);
    const start = performance.now();
    await expect(cluster.write(LARGE, 'ec:4+2')).rejects.toMatchObject({
      code: 'no-data-server',
      message: expect.stringContaining(`${usable} of ${servers} can take it`),
    });
    expect(performance.now() - start).toBeLessThan(20_000);
    cluster.setCondition('up', [...dead, ...hung]);
  });

  it('that stores a small copy after it was given up harms nothing', async () => {
    const cluster = clusterOf(3);
    cluster.setCondition('hung', ['s0']);
    const blob = await cluster.put(SMALL, 'copies:3');
    expect(missingShards(blob.layout)).toHaveLength(1);
    cluster.setCondition('up', ['s0']);
    await new Promise(resolve => setTimeout(resolve, 50));
    expect((await cluster.read(blob)).equals(SMALL)).toBe(true);
  });
});

function expectQuorum(blob: NewBlob, quorum: number): void {
  const { shardsPerSegment } = blob.layout;
  for (let segment = 0; segment < segmentCount(blob.layout); segment += 1) {
    const servers = Array.from({ length: shardsPerSegment }, (_, shard) => serverOf(blob.layout, segment, shard));
    const held = servers.filter(server => server !== undefined);
    expect(held.length).toBeGreaterThanOrEqual(quorum);
    expect(new Set(held).size).toBe(held.length);
  }
}

async function expectNothingLeft(cluster: BlobCluster): Promise<void> {
  cluster.setCondition('up', []);
  const left = (): number => cluster.shards() + cluster.stores.reduce((sum, { underWay }) => sum + underWay.writers, 0);
  for (let turn = 0; turn < 2000 && left() > 0; turn += 1) await new Promise(resolve => setTimeout(resolve, 5));
  expect(left()).toBe(0);
}

async function writeAll(
  writer: { write(chunk: Buffer): Promise<void> | undefined; commit(): Promise<NewBlob> },
  bytes: Buffer,
  commits: boolean,
) {
  for (let at = 0; at < bytes.length; at += 64 * KIB) await writer.write(bytes.subarray(at, at + 64 * KIB));
  if (commits) await writer.commit();
}

function breakAfter(cluster: BlobCluster, steps: number, breakThem: () => void): void {
  let left = steps;
  for (const store of cluster.stores) {
    store.onStep = () => {
      if (left === 0) breakThem();
      left -= 1;
    };
  }
}
