import type { Books } from '../operations/books.js';
import type { SqlDialect } from './dialect.js';
import type { Inserted } from './insertion.js';
import type { Statement } from './statement.js';

/**
 * What reads run on. Calls that do not wait for each other are sent together where the database is remote
 * (they still run in the order of the calls), so `Promise.all` saves round trips; a failure of one fails
 * those behind it.
 */
export interface Connection {
  readonly dialect: SqlDialect;
  all<Args, Row>(statement: Statement<Args, Row>, args: Args): Promise<Row[]>;
  first<Args, Row>(statement: Statement<Args, Row>, args: Args): Promise<Row | undefined>;
}

/** What changes run on: commits when the operation resolves, and leaves nothing behind when it rejects. */
export interface Transaction extends Connection {
  /** Written before the transaction commits. */
  readonly books: Books;
  /** Undefined when the statement (insertion.ts) says that the row is not to be inserted. */
  insert<Args>(statement: Statement<Args, Inserted>, args: Args): Promise<Inserted | undefined>;
  /**
   * Nobody else changes this key until the transaction ends; what is read from here on is what stays.
   * A change takes this lock first. Only a
   * multipart upload takes a second one, its own before its key's.
   */
  lockKey(bucket: string, key: string): Promise<void>;
}
