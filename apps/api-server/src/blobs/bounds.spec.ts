/**
 * What a transfer may hold: memory does not grow with the object, and nothing is left behind. Fails if a
 * slow server or a slow client lets bytes pile up, or if timers, writers or readers outlive their transfer.
 */
import { describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { toRedundancy, type NewBlob } from '#metadata';
import type { CatalogEntry, ShardCatalog, ShardReader, ShardStore } from '#storage';
import { MemoryShardStore } from '#storage/memory';
import { stripeBuffers } from './stripe-buffers.js';
import { BlobCluster, asStored } from './testing/blob-cluster.js';
import { sampleBytes } from './testing/sample-bytes.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Takes any number of bytes and remembers only how many; gives as many back, all zero. */
class CountingStore extends MemoryShardStore implements ShardStore, ShardCatalog {
  private readonly sizes = new Map<string, number>();
  private readonly chunk = Buffer.alloc(256 * KIB);

  constructor(private readonly writeMs: () => number) {
    super();
  }

  override async create(key: Parameters<ShardStore['create']>[0]) {
    let size = 0;
    return {
      // Nothing comes over frames here.
      checksTransfers: true as const,
      write: async (bytes: Buffer) => {
        size += bytes.length;
        if (this.writeMs() > 0) await delay(this.writeMs());
      },
      commit: async () => {
        this.sizes.set(key, size);
        return { size, etag: undefined, stamp: 0, modifiedMs: 0, crc32c: 0 };
      },
      abort: async () => {},
    };
  }

  override async open(key: Parameters<ShardStore['open']>[0]): Promise<ShardReader | undefined> {
    const size = this.sizes.get(key);
    if (size === undefined) return undefined;
    return {
      info: { size, etag: undefined, stamp: 0, modifiedMs: 0, crc32c: 0 },
      copyTo: async (sink, { first, last } = { first: 0, last: size - 1 }) => {
        for (let at = first; at <= last; at += this.chunk.length) {
          await sink(this.chunk.subarray(0, Math.min(this.chunk.length, last + 1 - at)));
        }
      },
      close: async () => {},
    };
  }

  override *entries(): Iterable<CatalogEntry> {}
}

describe('memory', () => {
  const GIB_PIECES = 1024;

  it('stays within a few stripes for 1 GiB, written with one slow server and read with one gone', async () => {
    const piece = Buffer.alloc(MIB);
    let turn = 0;
    const cluster = new BlobCluster({
      storeOf: index => new CountingStore(() => (index === 3 && (turn += 1) % 256 === 0 ? 20 : 0)),
      settings: { laggardMs: 60_000 },
    });
    const writer = await cluster.blobs.create({ redundancy: toRedundancy('ec:4+2') });
    const start = stripeBuffers.lent.nowBytes;
    let most = 0;
    for (let index = 0; index < GIB_PIECES; index += 1) {
      await writer.write(piece);
      most = Math.max(most, stripeBuffers.lent.nowBytes - start);
    }
    const blob = await writer.commit();
    // The stripe in the making, eight before the slowest server, and as many of the segment before.
    expect(most).toBeLessThanOrEqual(17 * 6 * 64 * KIB);
    expect(stripeBuffers.lent.nowBytes).toBe(start);
    await expectBoundedRead(cluster, blob);
  });

  it('of many uploads at once is little more than if each held the least', async () => {
    const UPLOADS = 40;
    const stripe = 6 * 64 * KIB;
    const start = stripeBuffers.lent.nowBytes;
    const cluster = new BlobCluster({
      storeOf: () => new CountingStore(() => 0),
      settings: { laggardMs: 60_000 },
    });
    const writers = await Promise.all(
      Array.from({ length: UPLOADS }, () => cluster.blobs.create({ redundancy: toRedundancy('ec:4+2') })),
    );
    cluster.setCondition('hung', ['s3']);
    for (const writer of writers) void writer.write(Buffer.alloc(4 * MIB))?.catch(() => {});
    const lent = (): number => stripeBuffers.lent.nowBytes - start;
    for (let turn = 0; turn < 1000 && lent() <= UPLOADS * 3 * stripe; turn += 1) await delay(10);
    expect(lent()).toBeGreaterThan(UPLOADS * 3 * stripe);
    await delay(200);
    expect(lent()).toBeLessThanOrEqual(UPLOADS * 4 * stripe + 32 * MIB);
    cluster.setCondition('up', ['s3']);
    await Promise.all(writers.map(writer => writer.abort()));
    for (let turn = 0; turn < 1000 && stripeBuffers.lent.nowBytes > start; turn += 1) await delay(10);
    expect(stripeBuffers.lent.nowBytes).toBe(start);
    expect(stripeBuffers.reserve(32 * MIB)).toBe(true);
    stripeBuffers.unreserve(32 * MIB);
  });

  async function expectBoundedRead(cluster: BlobCluster, blob: NewBlob): Promise<void> {
    cluster.gone.add('s0');
    let [most, received] = [0, 0];
    const start = stripeBuffers.lent.nowBytes;
    await cluster.blobs.open([asStored(blob)]).copyTo(chunk => {
      received += chunk.length;
      most = Math.max(most, stripeBuffers.lent.nowBytes - start);
      return undefined;
    });
    expect(received).toBe(GIB_PIECES * MIB);
    expect(most).toBeLessThanOrEqual(6 * 64 * KIB);
    expect(stripeBuffers.lent.nowBytes).toBe(start);
  }
});

describe('a transfer that failed', () => {
  it('leaves no timer, writer or reader once its servers have answered', async () => {
    const before = timers();
    const settings = { hedgeMs: 10, patienceMs: 50, laggardMs: 20, beginMs: 20, cleanUpMs: 20, stragglerGraceMs: 10 };
    const cluster = new BlobCluster({ settings: { ...settings, segmentSizeBytes: 300 * KIB } });
    const bytes = sampleBytes(700 * KIB);
    const [large, small] = [
      await cluster.write(bytes, 'ec:4+2'),
      await cluster.put(bytes.subarray(0, KIB), 'copies:3'),
    ];
    for (const hung of [['s0'], ['s1', 's2'], cluster.stores.map(({ id }) => id)]) {
      cluster.setCondition('hung', hung);
      const attempts = [
        cluster.read(large),
        cluster.read(small),
        cluster.write(bytes, 'ec:4+2'),
        cluster.put(bytes, 'copies:3'),
      ];
      await Promise.allSettled(attempts);
      cluster.setCondition('up', hung);
    }
    const held = (): number =>
      timers() - before + cluster.stores.reduce((sum, { underWay }) => sum + underWay.readers + underWay.writers, 0);
    for (let turn = 0; turn < 1000 && held() > 0; turn += 1) await delay(10);
    expect(held()).toBeLessThanOrEqual(0);
    expect(stripeBuffers.lent.nowBytes).toBe(0);
  });
});

function timers(): number {
  return process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length;
}
