import { describe, expect, it } from '@jest/globals';
import { layoutOf, missingShards, segmentCount, serverOf } from '../model/blob.js';
import { toServerId } from '../model/ids.js';
import { decodeLayout, encodeLayout, serverNumbers } from './blob-layout.js';

const [a, b, c] = ['a', 'b', 'c'].map(toServerId);
const NUMBERS = new Map(
  [a, b, c].flatMap((server, index) => (server === undefined ? [] : [[server, index + 1] as const])),
);

function idOf(number: number) {
  return toServerId(['', 'a', 'b', 'c'][number] ?? '');
}

describe('a layout in the database', () => {
  it('comes back as it was, missing shards too', () => {
    const segments = [
      [a, b, undefined],
      [c, undefined, a],
    ];
    const stored = encodeLayout(layoutOf(segments), NUMBERS);
    expect(stored).toHaveLength(2 + 6 * 2);
    expect(serverNumbers(stored)).toEqual([1, 2, 3]);
    const layout = decodeLayout(stored, idOf);
    expect(segments.map((_, segment) => [0, 1, 2].map(shard => serverOf(layout, segment, shard)))).toEqual(segments);
    expect(missingShards(layout)).toEqual([2, 4]);
  });

  it('of an empty blob has no segment', () => {
    const layout = decodeLayout(encodeLayout(layoutOf([]), NUMBERS), idOf);
    expect(segmentCount(layout)).toBe(0);
  });

  it('of another format is refused', () => {
    expect(() => decodeLayout(Buffer.from([2, 1, 1, 0]), idOf)).toThrow('format 2');
  });

  it('has as many shards in every segment', () => {
    expect(() => layoutOf([[a, b], [a]])).toThrow(TypeError);
  });
});
