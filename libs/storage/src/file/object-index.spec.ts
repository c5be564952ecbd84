import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hashName, toObjectName, type KeyHash } from '#contracts';
import { ENTRY_KINDS, ObjectIndex, type IndexEntry } from './object-index.js';

const entryOf = (number: number): IndexEntry => ({
  kind: ENTRY_KINDS.packed,
  stamp: number * 2 ** 20,
  sequence: number,
  length: number,
  pack: 1,
  offset: number,
  damaged: number % 7 === 0,
});

describe('ObjectIndex', () => {
  it('is a map, also when its slots collide', () => {
    // Few distinct first words, so that probing and the closing of gaps are exercised.
    const hash = fc.tuple(fc.nat({ max: 5 }), fc.nat({ max: 40 })).map(([word, rest]) => {
      return (word.toString(16).padStart(8, '0') + rest.toString(16).padStart(24, '0')) as KeyHash;
    });
    const step = fc.tuple(fc.constantFrom('set', 'delete'), hash, fc.nat());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), steps => {
        const index = new ObjectIndex();
        const model = new Map<KeyHash, IndexEntry>();
        for (const [what, key, number] of steps) {
          if (what === 'set') {
            index.set(key, entryOf(number));
            model.set(key, entryOf(number));
          } else {
            index.delete(key);
            model.delete(key);
          }
        }
        expect(new Map(index.entries())).toEqual(model);
        for (const [key, entry] of model) expect(index.get(key)).toEqual(entry);
        expect(index.size).toBe(model.size);
      }),
    );
  });

  it('grows', () => {
    const index = new ObjectIndex();
    const hashes = Array.from({ length: 20_000 }, (_, number) => hashName(toObjectName(`key-${number}`)));
    for (const [number, hash] of hashes.entries()) index.set(hash, entryOf(number));
    for (const [number, hash] of hashes.entries()) expect(index.get(hash)?.sequence).toBe(number);
  });
});
