import { describe, expect, it } from '@jest/globals';
import { BufferPool } from './buffer-pool.js';

const sizes = { largeBytes: 8192, smallBytes: 1024 };

describe('BufferPool', () => {
  it('lends large buffers up to its budget, small ones beyond, and large ones again once they are back', () => {
    const pool = new BufferPool({ budgetBytes: 2 * 8192, ...sizes });
    const first = pool.take();
    expect([first, pool.take(), pool.take()].map(buffer => buffer.length)).toEqual([8192, 8192, 1024]);

    pool.give(first);
    expect(pool.take()).toBe(first);
  });

  it('never lends one buffer twice', () => {
    const pool = new BufferPool({ budgetBytes: 8 * 8192, ...sizes });
    for (let round = 0; round < 3; round++) {
      const lent = Array.from({ length: 500 }, () => pool.take());
      expect(new Set(lent).size).toBe(500);
      for (const buffer of lent) pool.give(buffer);
    }
  });
});
