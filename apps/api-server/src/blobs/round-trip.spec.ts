/**
 * Whatever is written is read back, whole and in any range, around every boundary of the format: the
 * limit of small contents, stripes, segments. A wrong offset anywhere fails this, as the bytes of no two
 * places are alike.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { segmentsOf } from '#erasure';
import { schemeOf, segmentCount, serverOf, type NewBlob } from '#metadata';
import { shardKey, shardSizeOf } from './segment-format.js';
import { BlobCluster } from './testing/blob-cluster.js';
import { sampleBytes } from './testing/sample-bytes.js';

const KIB = 1024;
const SEGMENT = 320 * KIB;
const settings = { segmentSizeBytes: SEGMENT };
const REDUNDANCIES = ['single', 'copies:2', 'copies:3', 'ec:4+2', 'ec:2+1', 'ec:3+3'] as const;
const STRIPES = [128 * KIB, 192 * KIB, 256 * KIB];
const BOUNDARIES = [0, 64 * KIB, ...STRIPES, SEGMENT, SEGMENT + 256 * KIB, 2 * SEGMENT, 3 * SEGMENT];
const SIZES = BOUNDARIES.flatMap(at => [at - 1, at, at + 1]).filter(size => size >= 0);

describe('a blob', () => {
  const cluster = new BlobCluster({ settings });

  for (const redundancy of REDUNDANCIES) {
    it(`of ${redundancy} is read back at every size, also when streamed without a length`, async () => {
      for (const size of SIZES) {
        const bytes = sampleBytes(size, size);
        for (const known of [true, false]) {
          const blob = await cluster.write(bytes, redundancy, 77_777, known);
          expect([blob.size, segmentCount(blob.layout)]).toEqual([size, Math.ceil(size / SEGMENT)]);
          expect((await cluster.read(blob)).equals(bytes)).toBe(true);
          await expectWhole(cluster, blob);
        }
      }
    });
  }

  it('is read in any range, of one or of several after one another', async () => {
    const sizes = fc.oneof(
      fc.constantFrom(...SIZES.filter(size => size > 0)),
      fc.integer({ min: 1, max: 2 * SEGMENT }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ size: sizes, redundancy: fc.constantFrom(...REDUNDANCIES) }), {
          minLength: 1,
          maxLength: 3,
        }),
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })), {
          minLength: 1,
          maxLength: 4,
        }),
        async (contents, ranges) => {
          const blobs: NewBlob[] = [];
          for (const { size, redundancy } of contents)
            blobs.push(await cluster.write(sampleBytes(size, size), redundancy));
          const bytes = Buffer.concat(contents.map(({ size }) => sampleBytes(size, size)));
          for (const [a, b] of ranges) {
            const [low, high] = [Math.min(a, b), Math.max(a, b)].map(part => Math.floor(part * (bytes.length - 1)));
            const range = { first: low ?? 0, last: high ?? 0 };
            expect((await cluster.read(blobs, range)).equals(bytes.subarray(range.first, range.last + 1))).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('has its shards on different servers, spread over zones', async () => {
    const zoned = new BlobCluster({ servers: 9, zones: 3, settings });
    const blob = await zoned.write(sampleBytes(3 * SEGMENT), 'ec:4+2');
    for (let segment = 0; segment < segmentCount(blob.layout); segment += 1) {
      const servers = Array.from({ length: 6 }, (_, shard) => serverOf(blob.layout, segment, shard) ?? '');
      expect(new Set(servers).size).toBe(6);
      const zones = servers.map(id => Number(id.slice(1)) % 3);
      for (const zone of [0, 1, 2]) expect(zones.filter(each => each === zone)).toHaveLength(2);
    }
  });

  it('takes no server and no shard when it is empty', async () => {
    const dead = new BlobCluster();
    dead.setCondition(
      'dead',
      dead.stores.map(({ id }) => id),
    );
    const blob = await dead.put(Buffer.alloc(0), 'copies:3');
    expect([blob.layout.shards.length, blob.storedBytes, (await dead.read(blob)).length]).toEqual([0, 0, 0]);
  });

  it('put whole is as if it had been streamed, small or large', async () => {
    for (const size of [1, 128 * KIB, 128 * KIB + 1, 2 * SEGMENT + 5]) {
      const bytes = sampleBytes(size);
      const [put, written] = [await cluster.put(bytes, 'ec:4+2'), await cluster.write(bytes, 'ec:4+2')];
      expect({ ...put, id: '', layout: '' }).toEqual({ ...written, id: '', layout: '' });
      expect((await cluster.read(put)).equals(bytes)).toBe(true);
    }
  });
});

/** Every shard is where the layout says, as long as it should be, and all together as many bytes as were told. */
async function expectWhole(cluster: BlobCluster, blob: NewBlob): Promise<void> {
  const scheme = schemeOf(blob.redundancy);
  let storedBytes = 0;
  for (const { segment, sizeBytes } of segmentsOf(blob.size, blob.segmentSizeBytes)) {
    for (let shard = 0; shard < scheme.shards; shard += 1) {
      const key = shardKey({ blobId: blob.id, segment, shard });
      expect(cluster.holdersOf(key)).toEqual([serverOf(blob.layout, segment, shard)]);
      const { size = -1 } = (await cluster.store(serverOf(blob.layout, segment, shard) ?? '').inner.stat(key)) ?? {};
      expect(size).toBe(shardSizeOf(scheme, sizeBytes, shard));
      storedBytes += size;
    }
  }
  expect(storedBytes).toBe(blob.storedBytes);
}
