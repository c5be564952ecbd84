import type pg from 'pg';
import { hash } from 'node:crypto';
import { Books } from '../operations/books.js';
import { POSTGRES } from '../sql/dialect.js';
import type { Inserted } from '../sql/insertion.js';
import type { Statement, Statements } from '../sql/statement.js';
import type { Connection, Transaction } from '../sql/transaction.js';

/** A client, or a pool that lends one for each query. */
type Queryable = Pick<pg.Pool, 'query'>;

/** Runs statements by name: PostgreSQL parses and plans each once for a connection. One round trip a statement. */
export class PostgresConnection implements Connection {
  readonly dialect = POSTGRES;

  constructor(
    private readonly queryable: Queryable,
    private readonly statements: Statements,
  ) {}

  async all<Args, Row>(statement: Statement<Args, Row>, args: Args): Promise<Row[]> {
    const { name, sql, bind } = this.statements.compiled(statement);
    const { rows } = await this.queryable.query({ name, text: sql, values: bind(args) });
    return rows as Row[];
  }

  async first<Args, Row>(statement: Statement<Args, Row>, args: Args): Promise<Row | undefined> {
    return (await this.all(statement, args))[0];
  }
}

/** On a client with pipelining: statements that are not waited for travel together. */
export class PostgresTransaction extends PostgresConnection implements Transaction {
  readonly books = new Books();

  constructor(
    private readonly client: Queryable,
    statements: Statements,
  ) {
    super(client, statements);
  }

  insert<Args>(statement: Statement<Args, Inserted>, args: Args): Promise<Inserted | undefined> {
    return this.first(statement, args);
  }

  /** A lock for keys that have no row yet, too. Two keys with one hash wait for each other, and no more. */
  async lockKey(bucket: string, key: string): Promise<void> {
    const digest = hash('sha256', `${bucket}\0${key}`, 'buffer');
    await this.client.query({ name: 'lock_key', text: LOCK_KEY, values: [digest.readBigInt64LE().toString()] });
  }
}

const LOCK_KEY = 'select pg_advisory_xact_lock($1::bigint)';
