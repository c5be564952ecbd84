/**
 * The thread with the connection that changes: syncing and waiting for locks block it, and nobody else.
 * Its parent sends one group at a time (commit-queue.ts).
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { CommitAnswer, CommitGroup, CommitThreadData } from './commit-messages.js';
import { migrateFile, openWriter } from './open-connection.js';
import { runGroup } from './run-group.js';
import { sqliteOpenFailure } from './sqlite-failure.js';
import { SqliteTransaction } from './sqlite-transaction.js';
import { waitForLock } from './wait-for-lock.js';

/** A migration of a large file takes its time, and others that start wait for it. */
const START_TIMEOUT_MS = 60_000;

/** Of the time that a change has, waiting for another process's lock: who asked last must not have given up by then. */
const LOCK_SHARE = 0.75;

const { path, deadlineMs } = workerData as CommitThreadData;

try {
  const connection = await waitForLock(START_TIMEOUT_MS, () => openWriter(path));
  await waitForLock(START_TIMEOUT_MS, () => migrateFile(connection));
  const tx = new SqliteTransaction(connection);
  parentPort?.on('message', (message: CommitGroup | 'close') => {
    if (message === 'close') {
      tx.forget();
      connection.close();
      parentPort?.close();
      return;
    }
    void runGroup(connection, tx, message.changes, LOCK_SHARE * deadlineMs).then(outcomes => answer({ outcomes }));
  });
  answer({ ready: true });
} catch (error) {
  const { code, message } = sqliteOpenFailure(path, error);
  answer({ refused: { code, message } });
}

function answer(message: CommitAnswer): void {
  parentPort?.postMessage(message);
}
