import { GranaryError } from '#contracts';
import { Books } from '../operations/books.js';
import { CHANGES } from '../operations/index.js';
import { writeBooks } from '../operations/write-books.js';
import type { Transaction } from '../sql/transaction.js';
import type { CommitFailure, CommitOutcome, GroupedChange } from './commit-messages.js';
import type { SqliteConnection } from './sqlite-driver.js';
import { isBusy, sqliteFailure } from './sqlite-failure.js';
import type { SqliteTransaction } from './sqlite-transaction.js';

type Change = (tx: Transaction, args: unknown) => Promise<unknown>;

/**
 * One transaction, one sync, for all changes of the group. One that is refused takes nothing of the others
 * along. When the transaction itself fails, so do all. Another process's lock is waited for `lockMs` in all.
 */
export async function runGroup(
  connection: SqliteConnection,
  tx: SqliteTransaction,
  changes: readonly GroupedChange[],
  lockMs: number,
): Promise<CommitOutcome[]> {
  const deadline = performance.now() + lockMs;
  try {
    return (
      (await commitGroup(connection, tx, changes, deadline, runPlainly)) ??
      (await commitGroup(connection, tx, changes, deadline, runInSavepoint)) ??
      []
    );
  } catch (error) {
    rollBack(connection);
    const failure = failureOf(error);
    return changes.map(({ id }) => ({ id, failure }));
  }
}

/** Undefined, and nothing has happened, when a change of the group can't be undone alone. */
async function commitGroup(
  connection: SqliteConnection,
  tx: SqliteTransaction,
  changes: readonly GroupedChange[],
  deadline: number,
  run: typeof runPlainly,
): Promise<CommitOutcome[] | undefined> {
  beginWithin(connection, deadline);
  const books = new Books();
  const outcomes: CommitOutcome[] = [];
  for (const change of changes) {
    // Others may look at what is in the books.
    if (change.name !== 'commitPut') await writeBooks(tx, books);
    tx.begin(new Books(books));
    const outcome = await run(connection, tx, change);
    if (outcome === undefined) {
      rollBack(connection);
      return undefined;
    }
    if ('result' in outcome) books.add(tx.books);
    outcomes.push(outcome);
  }
  await writeBooks(tx, books);
  connection.exec('commit');
  return outcomes;
}

/** The connection's busy timeout is short, since SQLite polls; whoever is first in the queue stays first here. */
function beginWithin(connection: SqliteConnection, deadline: number): void {
  for (;;) {
    try {
      connection.exec('begin immediate');
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw error;
    }
  }
}

/**
 * A savepoint costs as much as a third of a change, and nearly every refusal comes before anything is written.
 * Undefined when it comes after.
 */
async function runPlainly(
  _connection: SqliteConnection,
  tx: SqliteTransaction,
  change: GroupedChange,
): Promise<CommitOutcome | undefined> {
  const { id, name, args } = change;
  try {
    return { id, result: await (CHANGES[name] as Change)(tx, args) };
  } catch (error) {
    return error instanceof GranaryError && !tx.hasWritten ? { id, failure: failureOf(error) } : undefined;
  }
}

async function runInSavepoint(
  connection: SqliteConnection,
  tx: SqliteTransaction,
  change: GroupedChange,
): Promise<CommitOutcome> {
  const { id, name, args } = change;
  connection.exec('savepoint change');
  try {
    const result = await (CHANGES[name] as Change)(tx, args);
    connection.exec('release change');
    return { id, result };
  } catch (error) {
    // Fails, and with it the group, when the error has already ended the transaction (disk full, I/O error).
    connection.exec('rollback to change');
    connection.exec('release change');
    tx.goOn();
    return { id, failure: failureOf(error) };
  }
}

function rollBack(connection: SqliteConnection): void {
  try {
    connection.exec('rollback');
  } catch {
    // SQLite has rolled back itself, or nothing was begun.
  }
}

export function failureOf(error: unknown): CommitFailure {
  const { code, message } = sqliteFailure(error);
  return { code, message };
}
