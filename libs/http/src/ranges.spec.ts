import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { RangeSpec } from '#storage';
import { MAX_RANGES, contentRange, parseRange, resolveRanges } from './ranges.js';

const specs = fc.array(
  fc.oneof(
    fc.record({ suffixLength: fc.nat(60) }),
    fc.record({ first: fc.nat(60) }),
    fc.tuple(fc.nat(60), fc.nat(60)).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
  ),
  { minLength: 1, maxLength: MAX_RANGES },
);

const spell = (spec: RangeSpec): string =>
  'suffixLength' in spec ? `-${spec.suffixLength}` : `${spec.first}-${spec.last ?? ''}`;

const covers = (spec: RangeSpec, size: number, at: number): boolean =>
  'suffixLength' in spec ? at >= size - spec.suffixLength : at >= spec.first && at <= (spec.last ?? size - 1);

describe('ranges', () => {
  it('are read back as they are spelled, whatever the space between', () => {
    fc.assert(
      fc.property(specs, fc.constantFrom(',', ', ', ' ,\t', ',,'), (list, separator) => {
        expect(parseRange(`bytes=${list.map(spell).join(separator)}`)).toEqual(list);
      }),
    );
  });

  it('resolve to exactly the bytes asked for, none twice, never touching', () => {
    fc.assert(
      fc.property(specs, fc.nat(50), (list, size) => {
        const ranges = resolveRanges(list, size);
        for (let at = 0; at < size; at += 1) {
          const times = ranges.filter(({ first, last }) => at >= first && at <= last).length;
          expect(times).toBe(list.some(spec => covers(spec, size, at)) ? 1 : 0);
        }
        const ascending = ranges.toSorted((a, b) => a.first - b.first);
        for (const [i, range] of ascending.entries()) {
          expect(range.first).toBeLessThanOrEqual(range.last);
          expect(range.last).toBeLessThan(size);
          const next = ascending[i + 1];
          if (next !== undefined) expect(next.first).toBeGreaterThan(range.last + 1);
        }
      }),
    );
  });

  it('keep the order asked for', () => {
    expect(
      resolveRanges(
        [
          { first: 8, last: 9 },
          { first: 0, last: 1 },
          { first: 1, last: 2 },
        ],
        20,
      ),
    ).toEqual([
      { first: 8, last: 9 },
      { first: 0, last: 2 },
    ]);
  });

  it.each([
    ['bytes', 'invalid'],
    ['bytes=', 'invalid'],
    ['bytes=,', 'invalid'],
    ['bytes=-', 'invalid'],
    ['bytes=2-1', 'invalid'],
    ['bytes=a-b', 'invalid'],
    ['bytes=0-1,x', 'invalid'],
    ['bytes=0x1-2', 'invalid'],
    ['bytes=--1', 'invalid'],
    ['lines=0-1', 'ignore'],
    [`bytes=${Array.from({ length: MAX_RANGES + 1 }, (_, i) => `${i * 2}-${i * 2}`).join()}`, 'ignore'],
  ])('%s is %s', (header, verdict) => {
    expect(parseRange(header)).toBe(verdict);
  });

  it('survive any text', () => {
    fc.assert(fc.property(fc.string(), text => void parseRange(text)));
    fc.assert(fc.property(fc.string(), text => void parseRange(`bytes=${text}`)));
  });

  it('with numbers beyond any object end with the object', () => {
    const list = parseRange('bytes=1-99999999999999999999999');
    expect(Array.isArray(list) && resolveRanges(list as RangeSpec[], 10)).toEqual([{ first: 1, last: 9 }]);
    expect(contentRange({ first: 1, last: 9 }, 10)).toBe('bytes 1-9/10');
  });
});
