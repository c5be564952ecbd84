import { describe, expect, it } from '@jest/globals';
import { BufferPool, isPageAligned } from './buffer-pool.js';

const sizes = { largeBytes: 8192, smallBytes: 1024 };

describe('BufferPool', () => {
  it('lends large buffers up to its budget, small ones beyond, and large ones again once they are back', () => {
    const pool = new BufferPool({ budgetBytes: 2 * 8192, ...sizes });
    const first = pool.take();
    expect([first, pool.take(), pool.take()].map(buffer => buffer.length)).toEqual([8192, 8192, 1024]);

    pool.give(first);
    expect(pool.take()).toBe(first);
  });

  it('lends no large buffer beyond its budget to who can do without', () => {
    const pool = new BufferPool({ budgetBytes: 2 * 8192, ...sizes });
    const [first] = [pool.takeLarge(), pool.take()];
    expect([first?.length, pool.takeLarge(), pool.take().length]).toEqual([8192, undefined, 1024]);

    if (first !== undefined) pool.give(first);
    expect(pool.takeLarge()).toBe(first);
  });

  it('never lends one buffer twice', () => {
    const pool = new BufferPool({ budgetBytes: 8 * 8192, ...sizes });
    for (let round = 0; round < 3; round++) {
      const lent = Array.from({ length: 500 }, () => pool.take());
      expect(new Set(lent).size).toBe(500);
      for (const buffer of lent) pool.give(buffer);
    }
  });

  it('lends large buffers that can be written past the page cache, at positions that can', () => {
    const pool = new BufferPool({ budgetBytes: 2 * 8192, ...sizes });
    const [large, other, small] = [pool.take(), pool.take(), pool.take()];
    large.fill(1);
    other.fill(2);

    expect(large.every(byte => byte === 1)).toBe(true);
    expect([large, other].map(buffer => isPageAligned(buffer, 8192))).toEqual([true, true]);
    expect(isPageAligned(large, 100)).toBe(false);
    expect(isPageAligned(large.subarray(0, 100), 0)).toBe(false);
    expect(isPageAligned(large.subarray(100), 0)).toBe(false);
    expect(isPageAligned(small, 0)).toBe(false);
  });
});
