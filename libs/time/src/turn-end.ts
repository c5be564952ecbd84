import type { Writable } from 'node:stream';

let tasks: (() => void)[] = [];

/** Runs the task, which may not throw, once this turn of the event loop has handled everything that was ready. */
export function atTurnEnd(task: () => void): void {
  if (tasks.push(task) === 1) setImmediate(runTasks);
}

function runTasks(): void {
  const due = tasks;
  tasks = [];
  for (const task of due) task();
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
