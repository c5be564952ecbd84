import { statement } from '../sql/statement.js';
import type { Transaction } from '../sql/transaction.js';

/**
 * Runs a change unless its commit id says that it has happened, and remembers what came of it. Both in the
 * change's own transaction. A change that failed is not remembered: it changed nothing.
 * `lockAndRead` is begun at once, so that it shares a round trip with the look for the id; it must lock
 * what makes two tries of one commit wait for each other.
 */
export async function commitOnce<State, Result>(
  tx: Transaction,
  commitId: string,
  lockAndRead: () => Promise<State>,
  change: (state: State) => Promise<Result>,
): Promise<Result> {
  const done = tx.books.recall(commitId);
  if (done !== undefined) return JSON.parse(done) as Result;
  const reading = lockAndRead();
  const [state, before] = await Promise.all([reading, tx.first(FIND_COMMIT, { id: commitId })]);
  if (before !== undefined) return JSON.parse(before.result) as Result;
  const result = await change(state);
  tx.books.remember(commitId, JSON.stringify(result ?? null));
  return result;
}

const FIND_COMMIT = statement<{ id: string }>()('find_commit', (db, { id }) =>
  db.selectFrom('commits').select('result').where('id', '=', id).compile(),
);
