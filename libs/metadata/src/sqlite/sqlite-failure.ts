import { GranaryError } from '#contracts';

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** Another process (or our own other connection) holds a lock; trying again helps. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === SQLITE_BUSY || code === SQLITE_LOCKED;
}

/** What opening promises: as `sqliteFailure`, but a file that is no database will not become one by waiting. */
export function sqliteOpenFailure(path: string, cause: unknown): GranaryError {
  const code = primaryCode(cause);
  if (code !== SQLITE_NOTADB && code !== SQLITE_CORRUPT) return sqliteFailure(cause);
  const what = code === SQLITE_NOTADB ? 'is no SQLite database' : 'is a damaged SQLite database';
  return new GranaryError('metadata-incompatible', `The metadata file ${path} ${what}.`, { cause });
}

/** What the port promises in place of an error of SQLite. */
export function sqliteFailure(cause: unknown): GranaryError {
  if (cause instanceof GranaryError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (primaryCode(cause) === SQLITE_FULL) {
    return new GranaryError('storage-full', 'No space is left for the metadata database.', { cause });
  }
  if (primaryCode(cause) === undefined) return new GranaryError('internal-error', `Metadata: ${reason}`, { cause });
  return new GranaryError('metadata-unavailable', `The metadata database failed: ${reason}.`, { cause });
}

/** Of an extended result code (https://www.sqlite.org/rescode.html); undefined when it is no error of SQLite. */
function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { rawCode, errcode } = error as { rawCode?: unknown; errcode?: unknown };
  const code = rawCode ?? errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}
