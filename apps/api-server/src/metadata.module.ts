import { setTimeout as sleep } from 'node:timers/promises';
import { maskPassword } from '#config';
import { GranaryError } from '#contracts';
import type { MetadataStore } from '#metadata';
import type { Logger } from '#telemetry';

const RETRY_MS = 1000;
const LOG_INTERVAL_MS = 10_000;

/**
 * The database that METADATA_URL names, migrated. One that is not there yet is waited for, since servers
 * and databases start in any order; one that is there and cannot be used is an error. Rejects with
 * `metadata-incompatible` and otherwise only for bugs.
 */
export async function openMetadata(url: string, logger: Logger): Promise<MetadataStore> {
  let loggedMs = -Infinity;
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one try after the other
      return await connect(url, logger);
    } catch (error) {
      if (!(error instanceof GranaryError) || error.code !== 'metadata-unavailable') throw error;
      if (performance.now() - loggedMs >= LOG_INTERVAL_MS) {
        logger.warn({ err: error }, `waiting for the metadata database ${maskPassword(url)}`);
        loggedMs = performance.now();
      }
    }
    // oxlint-disable-next-line no-await-in-loop -- or a database that starts would be asked all the time
    await sleep(RETRY_MS);
  }
}

/** Loads only the adapter that is used. */
async function connect(url: string, logger: Logger): Promise<MetadataStore> {
  if (url.startsWith(SQLITE)) {
    const { openSqliteMetadata } = await import('#metadata/sqlite');
    return openSqliteMetadata({ path: sqlitePath(url) });
  }
  const { openPostgresMetadata } = await import('#metadata/postgres');
  const onConnectionError = (error: Error) => logger.warn({ err: error }, 'a connection to the database broke');
  return openPostgresMetadata({ url, onConnectionError });
}

const SQLITE = 'sqlite:';

/** `sqlite:./a.db` and `sqlite:/srv/a.db`; also with the empty host that some write, `sqlite:///srv/a.db`. */
function sqlitePath(url: string): string {
  return url.slice(SQLITE.length).replace(/^\/\/(?=\/)/, '');
}
