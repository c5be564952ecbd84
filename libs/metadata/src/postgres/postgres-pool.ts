import pg from 'pg';
import { DEADLINE_MS } from '../engine.js';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database` */
  url: string;
  /** Connections of this process for changes, and as many for reads. Default: 10. */
  maxConnections?: number;
  /** Told what happens to idle connections; they are replaced when next needed. */
  onConnectionError?: (error: Error) => void;
}

const DEFAULT_CONNECTIONS = 10;
/** A statement must end well before the deadline, so that its answer, not our timer, tells what happened. */
const STATEMENT_TIMEOUT_MS = 1500;
const CONNECT_TIMEOUT_MS = 1200;
const IDLE_MS = 60_000;
/** https://www.postgresql.org/docs/current/catalog-pg-type.html */
const INT8 = 20;

/**
 * Each statement is a few seeks in indexes, or a walk along one, whatever the tables hold. Plans are kept with
 * prepared statements; one that was made while a table was small must not read all of it when it has grown.
 */
const PLANNING = ['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin', 'sort']
  .map(method => `-c enable_${method}=off`)
  .concat('-c jit=off')
  .join(' ');

/** Every wait has an end: to connect, for a connection of the pool, for a lock, for a statement, and in between. */
export function createPool({ url, maxConnections, onConnectionError }: PostgresOptions, name: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: name,
    max: maxConnections ?? DEFAULT_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: DEADLINE_MS,
    // Ours, for a server that hangs: it destroys the connection.
    query_timeout: DEADLINE_MS,
    options: PLANNING,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    pipeline: true,
    types: { getTypeParser: typeParser },
  });
  const told = onConnectionError ?? (() => undefined);
  // Without these an error of an idle connection ends the process.
  pool.on('error', told);
  pool.on('connect', client => client.on('error', told));
  return pool;
}

/** bigint as a number: sizes and sequences stay below 2^53. */
function typeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  if (oid === INT8) return Number;
  return pg.types.getTypeParser(oid, format) as (value: string) => unknown;
}
