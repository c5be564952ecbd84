import { EventEmitter, once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LoopTurns, PacedTransfer } from './loop-turns.js';

const KIB = 1024;
const MIB = 1024 * KIB;

describe('turns of the event loop', () => {
  it('have room for 256 KiB and what exceeds it, and let the rest go on later, in order', async () => {
    const turns = new LoopTurns();
    const order: number[] = [];
    const asked = Array.from({ length: 6 }, (_, piece) => turns.take(100 * KIB)?.then(() => order.push(piece)));
    expect(asked.map(turn => turn === undefined)).toEqual([true, true, true, false, false, false]);

    await nextTurn();
    expect(order).toEqual([3, 4, 5]);
    expect(turns.take(1)).toBeInstanceOf(Promise);
    await nextTurn();
    expect(turns.take(MIB)).toBeUndefined();
    expect(turns.take(1)).toBeInstanceOf(Promise);
  });

  it('come to everyone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 3 * MIB }), { maxLength: 50 }), async sizes => {
        const turns = new LoopTurns();
        await Promise.all(sizes.map(async bytes => turns.take(bytes)));
      }),
      { numRuns: 50 },
    );
  });
});

describe('a long transfer', () => {
  it('asks for a turn with its first piece, and for each 256 KiB behind that', () => {
    const turns = new LoopTurns();
    const transfer = new PacedTransfer(undefined, turns);
    expect(turns.take(MIB)).toBeUndefined();
    const pieces = [10, 100, 100, 56, 255, 1];
    const goesOn = pieces.map(kib => transfer.pace(kib * KIB, undefined) === undefined);
    expect(goesOn).toEqual([false, true, true, false, true, false]);
  });

  it('does not ask when it is short, or nothing of it is left', () => {
    const turns = new LoopTurns();
    expect(turns.take(MIB)).toBeUndefined();
    expect(new PacedTransfer(128 * KIB, turns).pace(100 * KIB, undefined)).toBeUndefined();
    const long = new PacedTransfer(129 * KIB, turns);
    expect([128, 1].map(kib => long.pace(kib * KIB, undefined) === undefined)).toEqual([false, true]);
  });

  it('asks only when what it moves has been taken', async () => {
    const turns = new LoopTurns();
    const mover = new EventEmitter();
    const taking = async (): Promise<void> => void (await once(mover, 'taken'));
    const moved = new PacedTransfer(undefined, turns).pace(MIB, taking());
    expect(turns.take(MIB)).toBeUndefined();

    mover.emit('taken');
    expect(await Promise.race([moved?.then(() => 'moved'), settled()])).toBe('waits');
    await moved;
  });

  it('does not ask when that fails, and fails as it did', async () => {
    const turns = new LoopTurns();
    const moved = new PacedTransfer(undefined, turns).pace(2 * MIB, Promise.reject(new Error('the disk')));
    await expect(moved).rejects.toThrow('the disk');
    expect(turns.take(MIB)).toBeUndefined();
  });
});

/** When every promise that can has been settled, still in this turn. */
async function settled(): Promise<string> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
  return 'waits';
}
