import { describe, expect, it, jest } from '@jest/globals';
import type { Member } from '#cluster';
import { untilKnown } from './until-known.js';

const LOOK_MS = 20;
const unproven = { proven: false } as Member;
const proven = { proven: true } as Member;

/** Time passes by looks at the view, whatever else the machine does. Resolves to how much of it. */
async function msUntilKnown(liveAt: (ms: number) => readonly Member[], atLeast = 1): Promise<number> {
  let nowMs = 0;
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const view = {
    get live() {
      nowMs += LOOK_MS;
      return liveAt(nowMs);
    },
  };
  try {
    await untilKnown(view, atLeast);
  } finally {
    clock.mockRestore();
  }
  return nowMs;
}

describe('untilKnown', () => {
  it('waits for a server that beats to prove itself, and for those that come with it', async () => {
    const ms = await msUntilKnown(nowMs => (nowMs < 160 ? [unproven] : nowMs < 300 ? [proven] : [proven, proven]), 2);
    expect(ms).toBeGreaterThan(300);
    expect(ms).toBeLessThan(500);
  });

  it('waits no longer than a second for whoever is absent', async () => {
    expect(await msUntilKnown(() => [])).toBe(1000);
  });
});
