import { describe, expect, it } from '@jest/globals';
import { freeChunk, settleHeap } from './garbage.js';

const KIB = 1024;

describe('the chunk of a body', () => {
  it('is freed only once the program has started', () => {
    const chunk = Buffer.alloc(64 * KIB);
    freeChunk(chunk);
    expect(chunk).toHaveLength(64 * KIB);
    settleHeap();
    freeChunk(chunk);
    expect(chunk).toHaveLength(0);
  });

  it('gives its memory back at once', () => {
    settleHeap();
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 2_000; i += 1) freeChunk(Buffer.alloc(64 * KIB));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(KIB * KIB);
  });

  it('stays when it is small, or only a part of a buffer', () => {
    settleHeap();
    const small = Buffer.alloc(8 * KIB);
    const whole = Buffer.alloc(128 * KIB);
    const part = whole.subarray(0, 64 * KIB);
    for (const chunk of [small, part]) freeChunk(chunk);
    expect([small.length, part.length, whole.length]).toEqual([8 * KIB, 64 * KIB, 128 * KIB]);
  });
});
