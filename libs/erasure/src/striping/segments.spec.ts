import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { countSegments, segmentsOf } from './segments.js';

describe('segments', () => {
  it('are of one size but the last', () => {
    expect([...segmentsOf(25, 10)]).toEqual([
      { segment: 0, offsetBytes: 0, sizeBytes: 10, range: { start: 0, end: 10 } },
      { segment: 1, offsetBytes: 10, sizeBytes: 10, range: { start: 0, end: 10 } },
      { segment: 2, offsetBytes: 20, sizeBytes: 5, range: { start: 0, end: 5 } },
    ]);
    expect([...segmentsOf(20, 10)].map(({ sizeBytes }) => sizeBytes)).toEqual([10, 10]);
    expect([...segmentsOf(0, 10)]).toEqual([]);
    expect([0, 1, 10, 11].map(size => countSegments(size, 10))).toEqual([0, 1, 1, 2]);
  });

  it('hold any range, in order, without a gap', () => {
    const request = fc
      .record({ size: fc.integer({ min: 0, max: 2 ** 45 }), pieces: fc.integer({ min: 1, max: 40 }) })
      .chain(({ size, pieces }) =>
        fc.record({
          size: fc.constant(size),
          segmentSize: fc.integer({ min: Math.max(1, Math.floor(size / pieces)), max: size + 1 }),
          ends: fc.tuple(fc.nat(size), fc.nat(size)),
        }),
      );
    fc.assert(
      fc.property(request, ({ size, segmentSize, ends }) => {
        const range = { start: Math.min(...ends), end: Math.max(...ends) };
        let at = range.start;
        for (const part of segmentsOf(size, segmentSize, range)) {
          expect(part.segment).toBeLessThan(countSegments(size, segmentSize));
          expect(part.offsetBytes).toBe(part.segment * segmentSize);
          expect(part.offsetBytes + part.range.start).toBe(at);
          expect(part.range.end).toBeGreaterThan(part.range.start);
          expect(part.range.end).toBeLessThanOrEqual(part.sizeBytes);
          at = part.offsetBytes + part.range.end;
        }
        expect(at).toBe(range.end);
      }),
    );
  });

  it('refuse what is not a size or a range', () => {
    expect(() => countSegments(-1, 10)).toThrow(RangeError);
    expect(() => countSegments(1, 0)).toThrow(RangeError);
    expect(() => [...segmentsOf(10, 4, { start: 5, end: 11 })]).toThrow(RangeError);
    expect(() => [...segmentsOf(10, 4, { start: 5, end: 4 })]).toThrow(RangeError);
  });
});
