import { describe, expect, it } from '@jest/globals';
import { inverse, multiply } from './gf256.js';
import { slowMultiply } from './testing/slow-field.js';

describe('GF(2^8)', () => {
  it('multiplies every pair of bytes as polynomials do', () => {
    const wrong = [];
    for (let a = 0; a < 256; a += 1) {
      for (let b = 0; b < 256; b += 1) {
        if (multiply(a, b) !== slowMultiply(a, b)) wrong.push([a, b]);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('has an inverse of every byte but 0', () => {
    for (let a = 1; a < 256; a += 1) expect(slowMultiply(a, inverse(a))).toBe(1);
    expect(() => inverse(0)).toThrow(RangeError);
  });
});
