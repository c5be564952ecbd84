import { describe, expect, it } from '@jest/globals';
import { MAX_USER_METADATA_BYTES, pushUserMetadata, readUserMetadata } from './user-metadata.js';

const refusal = (code: string): unknown => expect.objectContaining({ code });

describe('X-Meta-*', () => {
  it('is what follows the prefix; other headers are none of it', () => {
    expect(readUserMetadata({ 'x-meta-a': '1', 'x-meta-b-c': '', 'x-metal': 'no', host: 'x' })).toEqual({
      a: '1',
      'b-c': '',
    });
    expect(readUserMetadata({ host: 'x' })).toBeUndefined();
  });

  it('keeps names that mean something to JavaScript', () => {
    const kept = readUserMetadata({ 'x-meta-__proto__': 'p', 'x-meta-constructor': 'c' }) ?? {};
    const headers: string[] = [];
    pushUserMetadata(headers, kept);
    expect(headers).toEqual(['X-Meta-__proto__', 'p', 'X-Meta-constructor', 'c']);
  });

  it('is refused when it is too large, or has no name', () => {
    const value = 'v'.repeat(MAX_USER_METADATA_BYTES - 1);
    expect(readUserMetadata({ 'x-meta-n': value })).toEqual({ n: value });
    expect(() => readUserMetadata({ 'x-meta-nn': value })).toThrow(refusal('user-metadata-too-large'));
    expect(() => readUserMetadata({ 'x-meta-': 'v' })).toThrow(refusal('header-invalid'));
  });
});
