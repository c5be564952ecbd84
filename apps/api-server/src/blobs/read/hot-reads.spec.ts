/**
 * What is read from memory, and what must not be. The data servers are dead when a read is to come from
 * memory: one that asks any of them fails.
 */
import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { serverOf, toRedundancy, type NewBlob } from '#metadata';
import type { ByteRange, Sink } from '#storage';
import { asStored, BlobCluster } from '../testing/blob-cluster.js';
import { sampleBytes } from '../testing/sample-bytes.js';
import { HotBlobs, MAX_HOT_BLOB_BYTES } from './hot-blobs.js';

const KIB = 1024;
const SMALL = sampleBytes(10 * KIB);
const settings = { hedgeMs: 10, patienceMs: 100 };

function openHot() {
  const cluster = new BlobCluster({ settings });
  const hot = new HotBlobs(1024 * KIB);
  const blobs = cluster.openBlobs(hot);
  const copy = (blob: NewBlob, sink: Sink, range?: ByteRange) => blobs.open([asStored(blob)]).copyTo(sink, range);
  const read = async (blob: NewBlob, range?: ByteRange): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    await copy(blob, chunk => void chunks.push(Buffer.from(chunk)), range);
    return Buffer.concat(chunks);
  };
  const killAll = () =>
    cluster.setCondition(
      'dead',
      cluster.stores.map(({ id }) => id),
    );
  return { cluster, hot, blobs, copy, read, killAll };
}

describe('a small blob that was read', () => {
  it('is read again from memory, whole and in ranges, though only a range of it was read before', async () => {
    const { cluster, hot, read, killAll } = openHot();
    const blob = await cluster.put(SMALL, 'copies:3');
    expect((await read(blob, { first: 5, last: 9 })).equals(SMALL.subarray(5, 10))).toBe(true);
    killAll();
    expect((await read(blob)).equals(SMALL)).toBe(true);
    for (const [first, last] of [
      [0, 0],
      [4_000, 9_999],
      [SMALL.length - 1, SMALL.length - 1],
    ] as const) {
      expect((await read(blob, { first, last })).equals(SMALL.subarray(first, last + 1))).toBe(true);
    }
    expect(hot.stats).toMatchObject({ hits: 4, misses: 1 });
    await expect(cluster.read(blob)).rejects.toMatchObject({ code: 'data-server-unavailable' });
  });

  it('is fed before copyTo returns, and a sink that throws rejects', async () => {
    const { cluster, copy, read } = openHot();
    const blob = await cluster.put(SMALL, 'copies:3');
    await read(blob);
    let fedBytes = 0;
    const copying = copy(blob, chunk => void (fedBytes += chunk.length));
    expect(fedBytes).toBe(SMALL.length);
    await copying;
    const gone = new Error('the client is gone');
    await expect(
      copy(blob, () => {
        throw gone;
      }),
    ).rejects.toBe(gone);
  });

  it('is waited for while the sink takes it', async () => {
    const { cluster, copy, read } = openHot();
    const blob = await cluster.put(SMALL, 'copies:3');
    await read(blob);
    let isTaken = false;
    await copy(blob, async () => {
      await new Promise(resolve => setImmediate(resolve));
      isTaken = true;
    });
    expect(isTaken).toBe(true);
  });

  it('is kept as it was verified, whatever the copies that were asked before were like', async () => {
    const { cluster, read, killAll } = openHot();
    const blob = await cluster.put(SMALL, 'copies:3');
    cluster.setCondition('damaged', [serverOf(blob.layout, 0, 0), serverOf(blob.layout, 0, 1)]);
    expect((await read(blob)).equals(SMALL)).toBe(true);
    killAll();
    expect((await read(blob)).equals(SMALL)).toBe(true);
  });
});

describe('what is not kept', () => {
  it('is what could not be verified', async () => {
    const { cluster, hot, read } = openHot();
    const blob = await cluster.put(SMALL, 'copies:3');
    cluster.setCondition(
      'damaged',
      cluster.stores.map(({ id }) => id),
    );
    await expect(read(blob)).rejects.toMatchObject({ code: 'object-damaged' });
    expect(hot.stats).toMatchObject({ misses: 1, heldBytes: 0 });
  });

  it('is what was written and never read, also when it was read back for a digest', async () => {
    const { blobs, hot, read, killAll } = openHot();
    const writer = await blobs.create({ redundancy: toRedundancy('copies:3') });
    await writer.write(SMALL);
    const blob = await writer.commit({ expected: { sha256: createHash('sha256').update(SMALL).digest() } });
    expect(hot.stats).toEqual({ hits: 0, misses: 0, heldBytes: 0 });
    killAll();
    await expect(read(blob)).rejects.toMatchObject({ code: 'data-server-unavailable' });
  });

  it('is what is larger than 64 KiB', async () => {
    const { cluster, hot, read } = openHot();
    const bytes = sampleBytes(MAX_HOT_BLOB_BYTES + 1);
    const blob = await cluster.put(bytes, 'copies:3');
    for (let turn = 0; turn < 2; turn += 1) expect((await read(blob)).equals(bytes)).toBe(true);
    expect(hot.stats).toEqual({ hits: 0, misses: 0, heldBytes: 0 });
  });
});
