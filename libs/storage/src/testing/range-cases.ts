import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { SuiteContext } from './store-under-test.js';
import { BIG_BYTES, bytesOf, freshKey, readAll, writeObject } from './fixtures.js';

export function rangeCases({ store }: SuiteContext): void {
  it.each([1, 1000, BIG_BYTES])('of an object of %d bytes are exactly those bytes', async length => {
    const key = freshKey();
    const bytes = bytesOf(length, 5);
    await writeObject(store(), key, bytes, { length });
    const offset = fc.nat({ max: length - 1 });
    const range = fc.tuple(offset, offset).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
    const single = offset.map(first => ({ first, last: first }));
    const reader = await store().open(key);
    if (reader === undefined) throw new Error('The object is not there.');
    await fc.assert(
      fc.asyncProperty(fc.oneof(range, single), async ({ first, last }) => {
        expect((await readAll(reader, { first, last })).equals(bytes.subarray(first, last + 1))).toBe(true);
      }),
      { numRuns: 25 },
    );
    await reader.close();
  });

  it('that were announced can be read, and others too', async () => {
    const key = freshKey();
    const bytes = bytesOf(BIG_BYTES, 6);
    await writeObject(store(), key, bytes, { length: BIG_BYTES });
    const prefetches = [
      { first: 100, last: 199 },
      { first: BIG_BYTES - 10 },
      { suffixLength: 10 },
      { first: BIG_BYTES },
    ];
    for (const prefetch of prefetches) {
      const reader = await store().open(key, { prefetch });
      if (reader === undefined) throw new Error('The object is not there.');
      expect((await readAll(reader, { first: 100, last: 199 })).equals(bytes.subarray(100, 200))).toBe(true);
      expect((await readAll(reader)).equals(bytes)).toBe(true);
      await reader.close();
    }
  });
}
