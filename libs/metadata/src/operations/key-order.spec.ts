import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { behindAll, commonPrefix, compareKeys, prefixEnd, successor } from './key-order.js';

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 6 }).filter(key => !key.includes('\0'));

describe('the order of keys', () => {
  it('is that of UTF-8 bytes, not of UTF-16 units', () => {
    expect(compareKeys('\u{FFFD}', '\u{1F642}')).toBe(-1);
    expect(['\u{FFFD}', '\u{1F642}'].sort()).toEqual(['\u{1F642}', '\u{FFFD}']);
  });

  it('has a successor with nothing between', () => {
    fc.assert(
      fc.property(text, text, (key, other) => {
        expect(compareKeys(key, successor(key))).toBe(-1);
        if (compareKeys(other, key) > 0) expect(compareKeys(other, successor(key))).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('has a text behind all that begins with a prefix, and before whatever else is greater', () => {
    const last = fc.oneof(text, fc.constantFrom('\u{10FFFF}', '\u{10FFFF}\u{10FFFF}'));
    fc.assert(
      fc.property(last, text, (prefix, other) => {
        const behind = behindAll(prefix);
        expect(compareKeys(prefix + other, behind)).toBe(-1);
        if (compareKeys(other, prefix) > 0 && !other.startsWith(prefix)) {
          expect(compareKeys(other, behind)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
    const longest = '\u{10FFFF}'.repeat(256);
    expect(compareKeys(longest, behindAll('\u{10FFFF}'))).toBe(-1);
  });

  it('has an end for every prefix: what begins with it lies before, what is greater and does not lies behind', () => {
    fc.assert(
      fc.property(text, text, (prefix, other) => {
        const end = prefixEnd(prefix);
        if (end === undefined) {
          expect(prefix).toMatch(/^\u{10FFFF}+$/u);
          return;
        }
        expect(end.isWellFormed()).toBe(true);
        expect(compareKeys(prefix + other, end)).toBe(-1);
        if (compareKeys(other, prefix) > 0 && !other.startsWith(prefix)) {
          expect(compareKeys(other, end)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
    expect(prefixEnd('')).toBeUndefined();
    expect(prefixEnd('a/')).toBe('a0');
    expect(prefixEnd('\u{D7FF}')).toBe('\u{E000}');
    expect(prefixEnd('a\u{10FFFF}')).toBe('b');
  });

  it('finds common prefixes behind the prefix only', () => {
    expect(commonPrefix('a/b/c', 'a/', '/')).toBe('a/b/');
    expect(commonPrefix('a/b', 'a/', '/')).toBeUndefined();
    expect(commonPrefix('a/', '', '/')).toBe('a/');
  });
});
