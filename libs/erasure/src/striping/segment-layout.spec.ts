import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sampleBytes } from '../testing/sample-bytes.js';
import { slowDataShards } from '../testing/slow-layout.js';
import { columnsIn, layOutSegment, shapeOf, shardBytes, stripesOf } from './segment-layout.js';

const layouts = fc.record({
  size: fc.integer({ min: 0, max: 400 }),
  k: fc.integer({ min: 1, max: 9 }),
  unit: fc.integer({ min: 1, max: 20 }),
});

describe('the layout of a segment', () => {
  it('cuts the last stripe evenly', () => {
    const layout = layOutSegment(4 * 10 + 13, 4, 10);
    expect(layout).toMatchObject({ stripes: 2, stripeBytes: 40, lastUnitBytes: 4 });
    expect([0, 1, 2, 3, 4, 5].map(shard => shardBytes(layout, shard))).toEqual([14, 14, 14, 11, 14, 14]);
  });

  it('stores hardly more than (k+m)/k of a small segment', () => {
    const layout = layOutSegment(131_073, 4, 65_536);
    expect([0, 3, 4].map(shard => shardBytes(layout, shard))).toEqual([32_769, 32_766, 32_769]);
  });

  it('gives an empty segment empty shards', () => {
    const layout = layOutSegment(0, 4, 10);
    expect([0, 3, 4].map(shard => shardBytes(layout, shard))).toEqual([0, 0, 0]);
    expect([...stripesOf(layout)]).toEqual([]);
    expect(shapeOf(layout, { start: 0, end: 0 })).toEqual({ widthBytes: 0, dataBytes: [0, 0, 0, 0] });
  });

  it('makes data shards that hold every byte once and no padding', () => {
    fc.assert(
      fc.property(layouts, ({ size, k, unit }) => {
        const layout = layOutSegment(size, k, unit);
        const shards = slowDataShards(sampleBytes(size, 1), k, unit);
        expect(shards.map((_, shard) => shardBytes(layout, shard))).toEqual(shards.map(shard => shard.length));
        expect(shardBytes(layout, k)).toBe(shards[0]?.length);
        expect(shards.reduce((sum, { length }) => sum + length, 0)).toBe(size);
      }),
    );
  });

  // What an encoder does with a stripe: cut its bytes into units, append each to its shard.
  it('puts the units of each stripe into the same columns', () => {
    fc.assert(
      fc.property(layouts, ({ size, k, unit }) => {
        const segment = sampleBytes(size, 2);
        const layout = layOutSegment(size, k, unit);
        const shards = Array.from({ length: k }, (): number[] => []);
        for (const { range, unitBytes, columns } of stripesOf(layout)) {
          const stripe = segment.subarray(range.start, range.end);
          const shape = shapeOf(layout, columns);
          expect(shape.widthBytes).toBe(unitBytes);
          shards.forEach((shard, index) => {
            expect(shard.length).toBe(Math.min(columns.start, shardBytes(layout, index)));
            const bytes = stripe.subarray(index * unitBytes, (index + 1) * unitBytes);
            expect(bytes.length).toBe(shape.dataBytes[index]);
            shard.push(...bytes);
          });
        }
        expect(shards.map(shard => Uint8Array.from(shard))).toEqual(slowDataShards(segment, k, unit));
      }),
    );
  });

  it('names the stripes that a range touches, and no others', () => {
    const requests = layouts.chain(({ size, k, unit }) =>
      fc.record({ layout: fc.constant(layOutSegment(size, k, unit)), ends: fc.tuple(fc.nat(size), fc.nat(size)) }),
    );
    fc.assert(
      fc.property(requests, ({ layout, ends }) => {
        const range = { start: Math.min(...ends), end: Math.max(...ends) };
        const touched = [...stripesOf(layout)].filter(
          stripe => stripe.range.start < range.end && stripe.range.end > range.start && range.start < range.end,
        );
        expect([...stripesOf(layout, range)]).toEqual(touched);
      }),
    );
  });

  it('ends columns where a shard ends', () => {
    const layout = layOutSegment(4 * 10 + 13, 4, 10);
    expect(columnsIn(layout, 3, { start: 5, end: 14 })).toEqual({ start: 5, end: 11 });
    expect(columnsIn(layout, 3, { start: 12, end: 14 })).toEqual({ start: 11, end: 11 });
    expect(columnsIn(layout, 5, { start: 12, end: 14 })).toEqual({ start: 12, end: 14 });
  });

  it('refuses what is not a layout, and columns that are not there', () => {
    expect(() => layOutSegment(-1, 4, 10)).toThrow(RangeError);
    expect(() => layOutSegment(1.5, 4, 10)).toThrow(RangeError);
    expect(() => layOutSegment(1, 0, 10)).toThrow(RangeError);
    expect(() => layOutSegment(1, 4, 0)).toThrow(RangeError);
    expect(() => shapeOf(layOutSegment(10, 4, 10), { start: 0, end: 4 })).toThrow(RangeError);
    expect(() => [...stripesOf(layOutSegment(10, 4, 10), { start: 0, end: 11 })]).toThrow(RangeError);
  });
});
