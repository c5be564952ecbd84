import type { Writable } from 'node:stream';
import { loopTurns } from './loop-turns.js';

let tasks: (() => void)[] = [];

/**
 * Runs the task once this turn of the event loop has handled everything that was ready; what is asked for at the
 * end of a turn, at the end of the next. At once where long bodies move in this turn: its end is far, and little of the
 * work is small answers. It may not throw: the others would never run.
 */
export function atTurnEnd(task: () => void): void {
  if (loopTurns.hasLongBodies) task();
  else if (tasks.push(task) === 1) setImmediate(endTurn);
}

function endTurn(): void {
  const due = tasks;
  tasks = [];
  for (const task of due) task();
}

/**
 * What is written to the socket from now on goes out with this turn (atTurnEnd). A write wakes who waits for it, which
 * costs more than a small answer (a signal to another core, or a switch to another process): of many in a row
 * it is the first alone that does.
 */
export function holdUntilTurnEnd(socket: Writable): void {
  if (socket.writableCorked > 0) return;
  socket.cork();
  atTurnEnd(() => socket.uncork());
}
