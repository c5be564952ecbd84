import { describe, expect, it } from '@jest/globals';
import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { shiftCrc32c } from './crc32c-shift.js';

const register = fc.integer({ min: 0, max: 0xffff_ffff });

describe('shiftCrc32c', () => {
  it('is how two checksums of the same bytes differ that began differently', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70_000 }), register, register, (bytes, first, second) => {
        const buffer = Buffer.from(bytes);
        const difference = (crc32c(buffer, first) ^ crc32c(buffer, second)) >>> 0;
        expect(shiftCrc32c(first ^ second, buffer.length)).toBe(difference);
      }),
    );
  });

  it('joins the checksums of two pieces', () => {
    const [head, tail] = [Buffer.alloc(32_768, 7), Buffer.alloc(1_000_003, 11)];
    const joined = (crc32c(tail) ^ shiftCrc32c(crc32c(head), tail.length)) >>> 0;
    expect(joined).toBe(crc32c(Buffer.concat([head, tail])));
  });
});
