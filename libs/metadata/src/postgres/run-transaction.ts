import type pg from 'pg';
import { GranaryError } from '#contracts';
import { writeBooks } from '../operations/write-books.js';
import type { Statements } from '../sql/statement.js';
import type { Transaction } from '../sql/transaction.js';
import { PostgresTransaction } from './postgres-connection.js';
import { hasSqlState, isTransient } from './postgres-failure.js';

/**
 * One try of a change, at READ COMMITTED: the key's lock makes changes of one key wait for each other, and
 * each statement sees what those before it have committed. After an error of the database the connection is
 * thrown away, with whatever it was in the middle of.
 */
export async function runTransaction<Result>(
  pool: pg.Pool,
  statements: Statements,
  change: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let isCommitting = false;
  try {
    // Not waited for: it travels with the first statements of the change. Should it fail, so do they.
    client.query('begin').catch(() => undefined);
    const tx = new PostgresTransaction(client, statements);
    const result = await change(tx);
    await writeBooks(tx, tx.books);
    // PostgreSQL answers ROLLBACK to the COMMIT of a transaction that has failed.
    isCommitting = true;
    const { command } = await client.query('commit');
    if (command !== 'COMMIT') throw new Error(`the database answered ${command} to COMMIT`);
    client.release();
    return result;
  } catch (error) {
    if (error instanceof GranaryError) await rollBack(client);
    else client.release(true);
    throw isCommitting && !saysWhatBecameOfIt(error) ? unknownOutcome(error) : error;
  }
}

/** The database's own refusal, or a failure after which the change is tried again. */
function saysWhatBecameOfIt(error: unknown): boolean {
  return hasSqlState(error) || isTransient(error);
}

function unknownOutcome(cause: unknown): GranaryError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new GranaryError('metadata-unavailable', `Whether the change was committed is not known: ${reason}.`, {
    cause,
  });
}

/** After a refusal of ours the connection is fine. */
async function rollBack(client: pg.PoolClient): Promise<void> {
  await client.query('rollback').then(
    () => client.release(),
    () => client.release(true),
  );
}
