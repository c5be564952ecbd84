import type { Writable } from 'node:stream';

let tasks: (() => void)[] = [];
let isDue = false;

/**
 * Runs the task once this turn of the event loop has handled everything that was ready; what is asked for at the
 * end of a turn, at the end of the next. It may not throw: the others would never run.
 */
export function atTurnEnd(task: () => void): void {
  tasks.push(task);
  if (isDue) return;
  isDue = true;
  setImmediate(endTurn);
}

/** For what moves long bodies at the end of turns: what waits for the end goes first. */
export function endTurnNow(): void {
  const due = tasks;
  tasks = [];
  for (const task of due) task();
}

function endTurn(): void {
  isDue = false;
  endTurnNow();
}

/**
 * What is written to the socket from now on goes out at the end of this turn. A write wakes who waits for it, which
 * costs more than a small answer (a signal to another core, or a switch to another process): of many in a row
 * it is the first alone that does.
 */
export function holdUntilTurnEnd(socket: Writable): void {
  if (socket.writableCorked > 0) return;
  socket.cork();
  atTurnEnd(() => socket.uncork());
}
