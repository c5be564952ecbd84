import { GranaryError } from '#contracts';
import { DEADLINE_MS, type Engine } from '../engine.js';
import {
  READS,
  type ChangeArgs,
  type ChangeName,
  type ChangeResult,
  type ReadArgs,
  type ReadName,
  type ReadResult,
} from '../operations/index.js';
import type { Connection } from '../sql/transaction.js';
import type { CommitQueue } from './commit-queue.js';
import type { SqliteConnection, SqliteStatement } from './sqlite-driver.js';
import { sqliteFailure } from './sqlite-failure.js';
import { SqliteTransaction } from './sqlite-transaction.js';
import { waitForLock } from './wait-for-lock.js';

/** The answer comes within the deadline. */
const READ_TIMEOUT_MS = DEADLINE_MS - 100;

type Read = (connection: Connection, args: unknown) => Promise<unknown>;

/** Reads on the event loop, where they take microseconds, and never wait for a lock there; changes in a thread. */
export class SqliteEngine implements Engine {
  readonly #connection: SqliteTransaction;
  #dataVersion: SqliteStatement | undefined;
  #isClosed = false;

  constructor(
    private readonly commits: CommitQueue,
    private readonly reader: SqliteConnection,
  ) {
    this.#connection = new SqliteTransaction(reader);
  }

  async change<Name extends ChangeName>(name: Name, args: ChangeArgs<Name>): Promise<ChangeResult<Name>> {
    return (await this.commits.run(name, args)) as ChangeResult<Name>;
  }

  async read<Name extends ReadName>(name: Name, args: ReadArgs<Name>): Promise<ReadResult<Name>> {
    if (this.#isClosed) throw new GranaryError('metadata-unavailable', 'The metadata database is closed.');
    try {
      // Readers wait only while another process recovers the log, or locks the whole file.
      return (await waitForLock(READ_TIMEOUT_MS, () =>
        (READS[name] as Read)(this.#connection, args),
      )) as ReadResult<Name>;
    } catch (error) {
      throw sqliteFailure(error);
    }
  }

  /** Commits are other connections', which is what SQLite counts here. Whatever fails, the read to come will say. */
  revision(): number | undefined {
    if (this.#isClosed) return undefined;
    try {
      this.#dataVersion ??= this.reader.prepare('pragma data_version');
      return this.#dataVersion.first([])?.['data_version'] as number | undefined;
    } catch {
      return undefined;
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.commits.close();
    this.#connection.forget();
    this.#dataVersion = undefined;
    this.reader.close();
  }
}
