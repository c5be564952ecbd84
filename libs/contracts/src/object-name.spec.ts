import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeObjectName, encodeObjectName, hashName, toObjectName } from './object-name.js';

const name = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 300 })
  .filter(text => text.isWellFormed() && !text.includes('\0') && Buffer.byteLength(text) <= 1024);

describe('object names', () => {
  it('round-trip through the canonical spelling, whatever they contain', () => {
    fc.assert(
      fc.property(name, text => {
        const encoded = encodeObjectName(toObjectName(text));
        expect(encoded).toMatch(/^[A-Za-z0-9\-_.!~*'()%]+$/);
        expect(decodeObjectName(encoded)).toBe(text);
      }),
    );
  });

  it('decode exactly once', () => {
    expect(decodeObjectName('a%252Fb')).toBe('a%2Fb');
    expect(decodeObjectName('a/b%2fc')).toBe('a/b/c');
    expect(decodeObjectName('%2e%2e/%2E%2E')).toBe('../..');
  });

  it.each(['%', '%zz', '%ff', '%ed%a0%80', '%c0%80'])('refuse %s, which is no percent-encoded UTF-8', encoded => {
    expect(() => decodeObjectName(encoded)).toThrow(expect.objectContaining({ code: 'name-invalid' }));
  });

  it('refuse the empty name and NUL', () => {
    expect(() => decodeObjectName('')).toThrow(expect.objectContaining({ code: 'name-invalid' }));
    expect(() => decodeObjectName('a%00b')).toThrow(expect.objectContaining({ code: 'name-invalid' }));
  });

  it('may have 1024 bytes and no more', () => {
    expect(decodeObjectName('%C3%A9'.repeat(512))).toHaveLength(512);
    expect(() => decodeObjectName('%C3%A9'.repeat(512) + 'x')).toThrow(
      expect.objectContaining({ code: 'name-too-long' }),
    );
  });

  it('hash to 32 hex digits', () => {
    expect(hashName(toObjectName('test2'))).toMatch(/^[0-9a-f]{32}$/);
  });
});
