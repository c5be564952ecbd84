import { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { loopTurns } from './loop-turns.js';
import { atTurnEnd, holdUntilTurnEnd } from './turn-end.js';

/** What reached the system, a line for each write. */
function watched(): { socket: Writable; writes: string[] } {
  const writes: string[] = [];
  const socket = new Writable({
    decodeStrings: false,
    write: (chunk, _encoding, done) => {
      writes.push(String(chunk));
      done();
    },
    writev: (chunks, done) => {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join(''));
      done();
    },
  });
  return { socket, writes };
}

describe('the end of a turn', () => {
  it('comes behind all that was ready, and one behind each turn', async () => {
    const order: string[] = [];
    atTurnEnd(() => {
      order.push('end');
      atTurnEnd(() => order.push('end of the next'));
    });
    atTurnEnd(() => order.push('end, too'));
    queueMicrotask(() => order.push('microtask'));
    process.nextTick(() => order.push('tick'));
    expect(order).toEqual([]);
    await nextTurn();
    expect(order.slice(2)).toEqual(['end', 'end, too']);
    await nextTurn();
    expect(order.slice(4)).toEqual(['end of the next']);
  });

  it('is when a socket sends what it was given meanwhile, in one write', async () => {
    const { socket, writes } = watched();
    holdUntilTurnEnd(socket);
    socket.write('a');
    holdUntilTurnEnd(socket);
    socket.write('b');
    expect(writes).toEqual([]);
    await nextTurn();
    expect(writes).toEqual(['ab']);
    socket.write('c');
    expect(writes).toEqual(['ab', 'c']);
  });

  it('is not waited for in a turn in which long bodies move', async () => {
    const { socket, writes } = watched();
    expect(loopTurns.take(1)).toBeUndefined();
    holdUntilTurnEnd(socket);
    socket.write('a');
    let isDone = false;
    atTurnEnd(() => (isDone = true));
    expect([writes, isDone]).toEqual([['a'], true]);

    await nextTurn();
    holdUntilTurnEnd(socket);
    socket.write('b');
    expect(writes).toEqual(['a']);
  });

  it('is not waited for by who ends the socket, and finds destroyed ones as they are', async () => {
    const { socket, writes } = watched();
    holdUntilTurnEnd(socket);
    socket.write('a');
    socket.end();
    expect(writes).toEqual(['a']);

    const other = watched();
    holdUntilTurnEnd(other.socket);
    other.socket.write('lost');
    other.socket.destroy();
    await nextTurn();
    expect(other.writes).toEqual([]);
  });
});
