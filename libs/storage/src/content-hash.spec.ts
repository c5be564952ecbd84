import { describe, expect, it } from '@jest/globals';
import { fastestContentHash, nativeContentHash, wasmContentHash } from './content-hash.js';
import { bytesOf } from './testing/fixtures.js';

describe('Both implementations of the content hash', () => {
  it('know the published BLAKE3 of nothing', async () => {
    for (const hash of [await nativeContentHash(), await wasmContentHash()]) {
      expect(hash.of(Buffer.alloc(0)).toString('hex')).toBe(
        'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
      );
    }
  });

  it('agree, at once and in pieces', async () => {
    const [native, wasm] = [await nativeContentHash(), await wasmContentHash()];
    for (const length of [1, 1023, 1024, 1025, 300_000]) {
      const bytes = bytesOf(length);
      const expected = native.of(bytes);
      for (const hash of [native, wasm, await fastestContentHash()]) {
        expect(hash.of(bytes)).toEqual(expected);
        const hasher = await hash.hasher();
        hasher.update(bytes.subarray(0, 1000));
        hasher.update(bytes.subarray(1000));
        expect(hasher.digest()).toEqual(expected);
      }
    }
  });
});
