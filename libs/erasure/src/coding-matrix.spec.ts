import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { codingRow, decodingRows, invert } from './coding-matrix.js';
import { choicesOf } from './testing/sample-bytes.js';
import { slowMultiply } from './testing/slow-field.js';

function product(left: readonly Uint8Array[], right: readonly Uint8Array[]): number[][] {
  return left.map(row =>
    right.map((_, column) =>
      row.reduce((sum, value, index) => sum ^ slowMultiply(value, right[index]?.[column] ?? 0), 0),
    ),
  );
}

function identity(size: number): number[][] {
  return Array.from({ length: size }, (_, row) => Array.from({ length: size }, (_, column) => Number(row === column)));
}

describe('coding matrix', () => {
  it('is the identity, over ones, over quotients', () => {
    const rows = [0, 1, 2, 3, 4, 5].map(shard => [...codingRow(4, shard)]);
    expect(rows.slice(0, 4)).toEqual(identity(4));
    // 4/5, 5/4, 6/7 and 7/6 in GF(2^8) with 0x11d.
    expect(rows.slice(4)).toEqual([
      [1, 1, 1, 1],
      [166, 70, 187, 123],
    ]);
  });

  it.each([
    [1, 8],
    [2, 6],
    [4, 4],
    [8, 4],
  ])('has an inverse for any %d of %d more rows', (dataShards, parityShards) => {
    for (const sources of choicesOf(dataShards + parityShards, dataShards)) {
      const rows = sources.map(source => codingRow(dataShards, source));
      expect(product(rows, invert(rows))).toEqual(identity(dataShards));
    }
  });

  it('has an inverse for any k rows of the largest codes, and of those between', () => {
    const choice = fc
      .record({ k: fc.integer({ min: 1, max: 32 }), m: fc.integer({ min: 1, max: 16 }) })
      .chain(({ k, m }) =>
        fc.record({
          k: fc.constant(k),
          sources: fc.shuffledSubarray(
            Array.from({ length: k + m }, (_, shard) => shard),
            { minLength: k, maxLength: k },
          ),
        }),
      );
    fc.assert(
      fc.property(choice, ({ k, sources }) => {
        const rows = sources.map(source => codingRow(k, source));
        expect(product(rows, invert(rows))).toEqual(identity(k));
      }),
    );
  });

  it('gives the coefficients of every shard, in the order of the sources', () => {
    const sources = [5, 0, 3, 4];
    const rows = sources.map(source => codingRow(4, source));
    const all = [0, 1, 2, 3, 4, 5].map(shard => codingRow(4, shard));
    expect(product(decodingRows(4, 6, sources), rows)).toEqual(all.map(row => [...row]));
  });

  it('refuses to invert what has no inverse, and leaves its argument alone', () => {
    const rows = [Uint8Array.of(2, 4), Uint8Array.of(1, 2)];
    expect(() => invert(rows)).toThrow(RangeError);
    expect(rows).toEqual([Uint8Array.of(2, 4), Uint8Array.of(1, 2)]);
  });
});
