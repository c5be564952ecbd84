import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ReplayWindow } from './replay-window.js';

const WINDOW = 8192;

describe('ReplayWindow', () => {
  it('takes each number once, and none that it cannot tell of', () => {
    const steps = fc.array(fc.oneof(fc.integer({ min: -20, max: 20 }), fc.integer({ min: -9000, max: 30_000 })), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(steps, moves => {
        const window = new ReplayWindow();
        const used = new Set<number>();
        let highest = 0;
        for (const move of moves) {
          const count = Math.max(1, highest + move);
          const isKnown = count > highest - WINDOW;
          expect(window.accept(count)).toBe(!isKnown ? 'too-old' : used.has(count) ? 'seen' : 'new');
          if (isKnown) used.add(count);
          highest = Math.max(highest, count);
        }
      }),
      // A failure prints its seed.
      { numRuns: 300 },
    );
  });
});
