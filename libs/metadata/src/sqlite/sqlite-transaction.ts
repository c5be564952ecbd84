import { Books } from '../operations/books.js';
import { SQLITE } from '../sql/dialect.js';
import type { Inserted } from '../sql/insertion.js';
import { Statements, type CompiledStatement, type Statement } from '../sql/statement.js';
import type { Transaction } from '../sql/transaction.js';
import type { SqliteConnection, SqliteStatement } from './sqlite-driver.js';

/** Runs the operations' statements on one connection, each prepared once. Whether a transaction is open is the caller's matter. */
export class SqliteTransaction implements Transaction {
  readonly dialect = SQLITE;
  readonly #prepared = new Map<unknown, Prepared<never>>();
  #books = new Books();
  #hasWritten = false;
  #hasFailed = false;

  constructor(
    private readonly connection: SqliteConnection,
    private readonly statements = new Statements(SQLITE),
  ) {}

  /** Of the change under way. */
  get books(): Books {
    return this.#books;
  }

  /** Whether the change under way has run a statement that is no query. */
  get hasWritten(): boolean {
    return this.#hasWritten;
  }

  /** Begins a change. */
  begin(books: Books): void {
    this.#books = books;
    this.#hasWritten = false;
    this.#hasFailed = false;
  }

  /** The change whose statement failed has been undone, and the transaction is still open. */
  goOn(): void {
    this.#hasFailed = false;
  }

  async all<Args, Row>(statement: Statement<Args, Row>, args: Args): Promise<Row[]> {
    return this.#run(statement, ({ compiled, prepared }) => prepared.all(compiled.bind(args))) as Row[];
  }

  async first<Args, Row>(statement: Statement<Args, Row>, args: Args): Promise<Row | undefined> {
    return this.#run(statement, ({ compiled, prepared }) => prepared.first(compiled.bind(args))) as Row | undefined;
  }

  async insert<Args>(statement: Statement<Args, Inserted>, args: Args): Promise<Inserted | undefined> {
    const created_ms = Date.now();
    return this.#run(statement, ({ compiled, prepared }) => {
      const { changes, lastInsertRowid } = prepared.run(compiled.bind(args, created_ms));
      return changes === 0 ? undefined : { number: lastInsertRowid, created_ms };
    });
  }

  /** Before the connection is closed: libsql keeps a file open while one of its statements can still be reached. */
  forget(): void {
    this.#prepared.clear();
  }

  /** BEGIN IMMEDIATE has locked everything. */
  async lockKey(): Promise<void> {}

  /**
   * After a failure nothing more is run for this change: SQLite may have ended the transaction by itself (disk full,
   * I/O error), and what came behind would be one of its own, and stay.
   */
  #run<Args, Row, Result>(statement: Statement<Args, Row>, use: (prepared: Prepared<Args>) => Result): Result {
    if (this.#hasFailed) throw new Error('a statement of this change has failed');
    try {
      const prepared = this.#prepared.get(statement) ?? this.#prepareFirst(statement);
      if (!prepared.compiled.onlyReads) this.#hasWritten = true;
      return use(prepared);
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }

  #prepareFirst<Args, Row>(statement: Statement<Args, Row>): Prepared<never> {
    const compiled = this.statements.compiled(statement);
    const fresh = { compiled: compiled as CompiledStatement<never>, prepared: this.connection.prepare(compiled.sql) };
    this.#prepared.set(statement, fresh);
    return fresh;
  }
}

interface Prepared<Args> {
  compiled: CompiledStatement<Args>;
  prepared: SqliteStatement;
}
