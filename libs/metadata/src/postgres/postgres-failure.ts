import { GranaryError } from '#contracts';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';
const FOREIGN_KEY_VIOLATION = '23503';
const DISK_FULL = '53100';

/** Classes that say the server, not the statement, is to blame. */
const UNAVAILABLE = /^(08|53|55|57|58|25P0[123]|40)/;

/**
 * Whether to try at once again. Changes carry commit ids, so that this is right even when the answer to a
 * COMMIT was lost; a statement that ran into a timeout has used up the time, though.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof GranaryError) return false;
  // A connection that broke or was refused has none.
  if (!hasSqlState(error)) return isConnectionFailure(error);
  const code = codeOf(error) ?? '';
  return code === SERIALIZATION_FAILURE || code === DEADLOCK_DETECTED || /^(08|57P|53300)/.test(code);
}

/** Whether the database itself says what went wrong. */
export function hasSqlState(error: unknown): boolean {
  return /^[0-9A-Z]{5}$/.test(codeOf(error) ?? '');
}

/** What the port promises in place of an error of pg. */
export function postgresFailure(cause: unknown): GranaryError {
  if (cause instanceof GranaryError) return cause;
  const reason = cause instanceof Error && cause.message !== '' ? cause.message : String(codeOf(cause) ?? cause);
  const code = codeOf(cause);
  if (code === DISK_FULL)
    return new GranaryError('storage-full', 'The metadata database has no space left.', { cause });
  if (code === FOREIGN_KEY_VIOLATION) return bucketRaced(cause);
  if ((code !== undefined && UNAVAILABLE.test(code)) || isConnectionFailure(cause)) {
    return new GranaryError('metadata-unavailable', `The metadata database failed: ${reason}.`, { cause });
  }
  return new GranaryError('internal-error', `Metadata: ${reason}`, { cause });
}

/** The one foreign key is that to the bucket: it was removed, or something was put into it, at this moment. */
function bucketRaced(cause: unknown): GranaryError {
  const removing = /update or delete on table "buckets"/.test(cause instanceof Error ? cause.message : '');
  return removing
    ? new GranaryError('bucket-not-empty', 'Something is being put into the bucket.', { cause })
    : new GranaryError('bucket-not-found', 'The bucket was removed at this moment.', { cause });
}

function isConnectionFailure(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined && /^E[A-Z]+$/.test(code)) return true;
  if (error instanceof AggregateError) return error.errors.some(isConnectionFailure);
  return error instanceof Error && CONNECTION_MESSAGES.test(error.message);
}

/** pg gives these no code. */
const CONNECTION_MESSAGES =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|connection error|Client was closed|not queryable|Cannot use a pool after|write after end/i;

function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
