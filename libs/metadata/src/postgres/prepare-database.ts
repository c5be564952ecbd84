import pg from 'pg';
import { GranaryError } from '#contracts';
import { migrate } from '../schema/migrate.js';
import { POSTGRES } from '../sql/dialect.js';
import { Statements } from '../sql/statement.js';
import { postgresFailure } from './postgres-failure.js';

/** Any number that nobody else takes as an advisory lock of this database. */
const MIGRATION_LOCK = '7310597265441';
const CONNECT_TIMEOUT_MS = 5000;
/** A migration of a large database takes its time; others wait for it as long. */
const MIGRATION_TIMEOUT_MS = 600_000;
/** 14 */
const OLDEST_VERSION = 140_000;

/** Checks that the database will do, and migrates it under a lock. Throws `metadata-incompatible`, `metadata-unavailable`. */
export async function prepareDatabase(url: string): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'granary migration',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: MIGRATION_TIMEOUT_MS,
    query_timeout: MIGRATION_TIMEOUT_MS,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await checkServer(client);
    await client.query('begin');
    await client.query(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    await migrate(new Statements(POSTGRES), async ({ sql, parameters }) => {
      const { rows } = await client.query(sql, [...parameters]);
      return rows as object[];
    });
    await client.query('commit');
  } catch (error) {
    throw postgresFailure(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function checkServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: number; encoding: string }>(
    `select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding`,
  );
  const { version = 0, encoding = '' } = rows[0] ?? {};
  if (version < OLDEST_VERSION) {
    throw new GranaryError(
      'metadata-incompatible',
      `The metadata database is PostgreSQL ${Math.floor(version / 10_000)}; 14 or newer is needed.`,
    );
  }
  if (encoding !== 'UTF8') {
    throw new GranaryError(
      'metadata-incompatible',
      `The metadata database has the encoding ${encoding}; UTF8 is needed.`,
    );
  }
}
