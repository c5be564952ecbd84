import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ReedSolomon } from '../reed-solomon.js';
import { sampleBytes } from '../testing/sample-bytes.js';
import { slowDataShards } from '../testing/slow-layout.js';
import type { ByteRange } from './byte-range.js';
import { planRead, shardRangeOf, slicesOf, type ReadPlan } from './read-plan.js';
import { columnsIn, layOutSegment, shapeOf, shardBytes, stripesOf, type SegmentLayout } from './segment-layout.js';

/** A segment that was encoded stripe by stripe, as it would stream by. */
interface Stored {
  segment: Uint8Array;
  layout: SegmentLayout;
  coder: ReedSolomon;
  shards: Uint8Array[];
}

function store(size: number, k: number, m: number, unit: number): Stored {
  const segment = sampleBytes(size, size + k);
  const layout = layOutSegment(size, k, unit);
  const coder = new ReedSolomon(k, m);
  const shards = Array.from({ length: k + m }, (_, shard) => new Uint8Array(shardBytes(layout, shard)).fill(0xee));
  for (const { range, unitBytes, columns } of stripesOf(layout)) {
    const stripe = segment.subarray(range.start, range.end);
    const data = Array.from({ length: k }, (_, index) => stripe.subarray(index * unitBytes, (index + 1) * unitBytes));
    const parity = shards.slice(k).map(shard => shard.subarray(columns.start, columns.end));
    coder.encode(data, parity, shapeOf(layout, columns));
    data.forEach((bytes, index) => shards[index]?.set(bytes, columns.start));
  }
  return { segment, layout, coder, shards };
}

/** The range, made of nothing but what the plan reads: all other bytes of the shards are wrong. */
function read({ layout, coder, shards }: Stored, range: ByteRange, plan: ReadPlan): Uint8Array {
  const had = shards.map(shard => new Uint8Array(shard.length).fill(0xdd));
  for (const { shard, range: part } of plan.reads) {
    had[shard]?.set(shards[shard]?.subarray(part.start, part.end) ?? [], part.start);
  }
  if (plan.missing.length > 0) reconstruct(layout, coder, had, plan);
  const parts = [...slicesOf(layout, range)].map(({ shard, range: part }) =>
    had[shard]?.subarray(part.start, part.end),
  );
  return Buffer.concat(parts.map(part => part ?? new Uint8Array()));
}

function reconstruct(
  layout: SegmentLayout,
  coder: ReedSolomon,
  had: Uint8Array[],
  { reads, missing, columns }: ReadPlan,
): void {
  const columnsOf = (shard: number): Uint8Array => {
    const { start, end } = columnsIn(layout, shard, columns);
    return had[shard]?.subarray(start, end) ?? new Uint8Array();
  };
  const sources = had.map((_, shard) => (reads.some(each => each.shard === shard) ? columnsOf(shard) : undefined));
  const wanted = missing.map(shard => ({ shard, into: columnsOf(shard) }));
  coder.reconstruct(sources, wanted, shapeOf(layout, columns));
}

const requests = fc
  .record({
    size: fc.integer({ min: 0, max: 500 }),
    k: fc.integer({ min: 1, max: 8 }),
    m: fc.integer({ min: 1, max: 4 }),
    unit: fc.integer({ min: 1, max: 25 }),
  })
  .chain(({ size, k, m, unit }) =>
    fc.record({
      stored: fc.constant({ size, k, m, unit }),
      range: fc.tuple(fc.nat(size), fc.nat(size)).map(ends => ({ start: Math.min(...ends), end: Math.max(...ends) })),
      readable: fc.shuffledSubarray([...Array(k + m).keys()]),
    }),
  );

describe('reading a range of a segment', () => {
  it('is planned from any shards that suffice, and gives its bytes from what the plan reads alone', () => {
    let reconstructed = 0;
    fc.assert(
      fc.property(requests, ({ stored: { size, k, m, unit }, range, readable }) => {
        const stored = store(size, k, m, unit);
        const plan = planRead(stored.layout, range, readable);
        if (plan === undefined) {
          expect(readable.length).toBeLessThan(k);
          return;
        }
        reconstructed += Number(plan.missing.length > 0);
        expect(plan.reads.every(({ shard }) => readable.includes(shard))).toBe(true);
        const found = read(stored, range, plan);
        expect(Buffer.compare(found, stored.segment.subarray(range.start, range.end))).toBe(0);
      }),
      { numRuns: 400 },
    );
    expect(reconstructed).toBeGreaterThan(20);
  });

  it('stores the shards that the format says', () => {
    const { segment, shards } = store(333, 4, 2, 16);
    expect(shards.slice(0, 4)).toEqual(slowDataShards(segment, 4, 16));
  });

  it('reads only what the range has while its shards are readable', () => {
    const layout = layOutSegment(1000, 4, 10);
    expect(planRead(layout, { start: 45, end: 63 }, [5, 4, 3, 2, 1, 0])).toEqual({
      reads: [
        { shard: 0, range: { start: 15, end: 20 } },
        { shard: 1, range: { start: 10, end: 20 } },
        { shard: 2, range: { start: 10, end: 13 } },
      ],
      missing: [],
      columns: { start: 0, end: 0 },
    });
  });

  it('reads the columns that are missing from k shards, the preferred first', () => {
    const layout = layOutSegment(1000, 4, 10);
    expect(planRead(layout, { start: 45, end: 63 }, [5, 0, 4, 3, 1])).toEqual({
      reads: [
        { shard: 0, range: { start: 10, end: 20 } },
        { shard: 1, range: { start: 10, end: 20 } },
        { shard: 4, range: { start: 10, end: 13 } },
        { shard: 5, range: { start: 10, end: 13 } },
      ],
      missing: [2],
      columns: { start: 10, end: 13 },
    });
  });

  it('has no plan when too little is readable, counting each shard once', () => {
    const layout = layOutSegment(1000, 4, 10);
    expect(planRead(layout, { start: 0, end: 5 }, [1, 2, 3, 3])).toBeUndefined();
    expect(planRead(layout, { start: 0, end: 5 }, [0])).toMatchObject({ missing: [] });
    expect(planRead(layout, { start: 5, end: 5 }, [])).toMatchObject({ reads: [] });
  });

  it('has in each data shard one range of any range', () => {
    fc.assert(
      fc.property(requests, ({ stored: { size, k, unit }, range }) => {
        const layout = layOutSegment(size, k, unit);
        const slices = [...slicesOf(layout, range)];
        expect(slices.reduce((sum, { range: { start, end } }) => sum + end - start, 0)).toBe(range.end - range.start);
        for (let shard = 0; shard < k; shard += 1) {
          const own = slices.filter(slice => slice.shard === shard).map(slice => slice.range);
          const { start, end } = shardRangeOf(layout, shard, range);
          expect(own.reduce((sum, part) => sum + part.end - part.start, 0)).toBe(end - start);
          if (own.length > 0) expect({ start, end }).toEqual({ start: own[0]?.start, end: own.at(-1)?.end });
        }
      }),
    );
  });

  it('refuses a range outside', () => {
    const layout = layOutSegment(100, 4, 10);
    expect(() => [...slicesOf(layout, { start: 0, end: 101 })]).toThrow(RangeError);
    expect(() => shardRangeOf(layout, 0, { start: -1, end: 1 })).toThrow(RangeError);
    expect(() => planRead(layout, { start: 2, end: 1 }, [])).toThrow(RangeError);
  });
});
