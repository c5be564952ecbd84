import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { GranaryError } from '#contracts';
import { withDeadline } from '#time';
import { DEADLINE_MS, type Engine } from '../engine.js';
import {
  CHANGES,
  READS,
  type ChangeArgs,
  type ChangeName,
  type ChangeResult,
  type ReadArgs,
  type ReadName,
  type ReadResult,
} from '../operations/index.js';
import { POSTGRES } from '../sql/dialect.js';
import { Statements } from '../sql/statement.js';
import type { Connection, Transaction } from '../sql/transaction.js';
import { PostgresConnection } from './postgres-connection.js';
import { isTransient, postgresFailure } from './postgres-failure.js';
import { runTransaction } from './run-transaction.js';

type Change = (tx: Transaction, args: unknown) => Promise<unknown>;
type Read = (connection: Connection, args: unknown) => Promise<unknown>;

/** Doubles with each try, and is drawn at random below that, so that those who met do not meet again. */
const FIRST_BACKOFF_MS = 10;
const MAX_BACKOFF_MS = 200;

/** Changes and reads have connections of their own, so that neither waits for the other. */
export class PostgresEngine implements Engine {
  readonly #statements = new Statements(POSTGRES);
  readonly #reader: PostgresConnection;
  #isClosed = false;

  constructor(
    private readonly changes: pg.Pool,
    private readonly reads: pg.Pool,
  ) {
    this.#reader = new PostgresConnection(reads, this.#statements);
  }

  async change<Name extends ChangeName>(name: Name, args: ChangeArgs<Name>): Promise<ChangeResult<Name>> {
    const run = (tx: Transaction) => (CHANGES[name] as Change)(tx, args);
    this.#checkOpen();
    return withinDeadline(() => runTransaction(this.changes, this.#statements, run)) as Promise<ChangeResult<Name>>;
  }

  async read<Name extends ReadName>(name: Name, args: ReadArgs<Name>): Promise<ReadResult<Name>> {
    this.#checkOpen();
    return withinDeadline(() => (READS[name] as Read)(this.#reader, args)) as Promise<ReadResult<Name>>;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all([this.changes.end(), this.reads.end()]);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new GranaryError('metadata-unavailable', 'The metadata database is closed.');
  }
}

/** Tries again while that helps. Answers within the deadline, whatever the tries do. */
async function withinDeadline<Result>(attempt: () => Promise<Result>): Promise<Result> {
  const trying = tryUntil(performance.now() + DEADLINE_MS, attempt);
  try {
    return await withDeadline(DEADLINE_MS, trying, throwTooLate);
  } catch (error) {
    throw postgresFailure(error);
  }
}

async function tryUntil<Result>(deadline: number, attempt: () => Promise<Result>): Promise<Result> {
  for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (!isTransient(error) || performance.now() + backoffMs >= deadline) throw error;
      await sleep(backoffMs * (0.5 + Math.random() / 2));
    }
  }
}

function throwTooLate(): never {
  throw new GranaryError('metadata-unavailable', `The metadata database did not answer within ${DEADLINE_MS} ms.`);
}
