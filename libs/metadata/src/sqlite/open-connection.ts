import { GranaryError } from '#contracts';
import { migrate } from '../schema/migrate.js';
import { SQLITE } from '../sql/dialect.js';
import { Statements, type SqlValue } from '../sql/statement.js';
import { openSqliteFile, type SqliteConnection } from './sqlite-driver.js';

/** How long a thread may wait for another process's lock. */
const BUSY_TIMEOUT_MS = 500;
/** Of one connection. */
const CACHE_KIB = 32 * 1024;
/** The log is copied into the database file beyond this, and cut back to as much afterwards. */
const CHECKPOINT_PAGES = 2000;
const LOG_LIMIT_BYTES = 64 * 1024 * 1024;

/** The connection that changes. It waits for locks in its thread. Commits are durable: FULL syncs the log at each. */
export function openWriter(path: string): SqliteConnection {
  return configured(path, [
    `busy_timeout = ${BUSY_TIMEOUT_MS}`,
    'journal_mode = wal',
    'synchronous = full',
    'foreign_keys = on',
    `wal_autocheckpoint = ${CHECKPOINT_PAGES}`,
    `journal_size_limit = ${LOG_LIMIT_BYTES}`,
    `cache_size = -${CACHE_KIB}`,
  ]);
}

/** A connection that only reads. It never waits for a lock: it runs on the event loop. */
export function openReader(path: string): SqliteConnection {
  return configured(path, ['busy_timeout = 0', 'query_only = on', `cache_size = -${CACHE_KIB}`]);
}

/** Migrates under the lock that every start takes. */
export async function migrateFile(connection: SqliteConnection): Promise<void> {
  const statements = new Statements(SQLITE);
  connection.exec('begin immediate');
  try {
    await migrate(statements, async ({ sql, parameters }) =>
      connection.prepare(sql).all(parameters as readonly SqlValue[]),
    );
    connection.exec('commit');
  } catch (error) {
    connection.exec('rollback');
    throw error;
  }
}

function configured(path: string, pragmas: readonly string[]): SqliteConnection {
  const connection = openSqliteFile(path);
  try {
    for (const pragma of pragmas) connection.prepare(`pragma ${pragma}`).all([]);
    const encoding = connection.prepare('pragma encoding').first([])?.['encoding'];
    if (encoding !== 'UTF-8') {
      throw new GranaryError('metadata-incompatible', `The SQLite file is in ${String(encoding)}; keys need UTF-8.`);
    }
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}
