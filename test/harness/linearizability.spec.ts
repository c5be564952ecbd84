import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { findContradiction, type Operation, type RegisterValue } from './linearizability.js';

const write = (value: string, calledMs: number, returnedMs?: number): Operation => ({
  kind: 'write',
  value,
  calledMs,
  returnedMs,
});
const read = (value: RegisterValue, calledMs: number, returnedMs?: number): Operation => ({
  kind: 'read',
  value,
  calledMs,
  returnedMs,
});
const remove = (calledMs: number, returnedMs?: number): Operation => ({ kind: 'delete', calledMs, returnedMs });

describe('a history is contradictory when', () => {
  it.each<[string, Operation[]]>([
    ['a read misses a write that was answered', [write('a', 0, 1), read(undefined, 2, 3)]],
    ['a read brings back what was overwritten', [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]],
    ['a read brings back what was deleted', [write('a', 0, 1), remove(2, 3), read('a', 4, 5)]],
    ['two reads go back in time', [write('a', 0, 1), write('b', 2, 9), read('b', 3, 4), read('a', 5, 6)]],
    ['a read sees what nobody wrote', [write('a', 0, 1), read('z', 2, 3)]],
    [
      'two clients see concurrent writes in different orders',
      [write('a', 0, 9), write('b', 0, 9), read('a', 10, 11), read('b', 12, 13)],
    ],
    ['an unanswered write comes and goes', [write('a', 0), read('a', 1, 2), read(undefined, 3, 4)]],
  ])('%s', (_what, history) => expect(findContradiction(history)).toBeDefined());
});

describe('a history is explained when', () => {
  it.each<[string, Operation[]]>([
    ['nothing happened', []],
    ['a read during a write sees old or new', [write('a', 0, 1), write('b', 2, 9), read('a', 3, 4), read('b', 5, 6)]],
    ['an unanswered write happens late', [write('a', 0), read(undefined, 1, 2), read('a', 3, 4)]],
    ['an unanswered write never happens', [write('a', 0), read(undefined, 1, 2), read(undefined, 3, 4)]],
    ['an unanswered delete happens late', [write('a', 0, 1), remove(2), read('a', 3, 4), read(undefined, 5, 6)]],
  ])('%s', (_what, history) => expect(findContradiction(history)).toBeUndefined());

  it('it came from a register, however long each operation took', () => {
    const step = fc.record({
      kind: fc.constantFrom('write', 'delete', 'read'),
      earlier: fc.nat(40),
      later: fc.nat(40),
      isAnswered: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), steps => {
        let value: RegisterValue;
        const history = steps.map(({ kind, earlier, later, isAnswered }, index): Operation => {
          const times = { calledMs: index * 10 - earlier, returnedMs: isAnswered ? index * 10 + later : undefined };
          if (kind === 'read') return { kind, value, ...times };
          value = kind === 'write' ? `v${index}` : undefined;
          return kind === 'write' ? { kind, value, ...times } : { kind, ...times };
        });
        expect(findContradiction(history)).toBeUndefined();
      }),
    );
  });
});
