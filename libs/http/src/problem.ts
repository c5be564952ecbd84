import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  ERROR_CODES,
  GranaryError,
  PROBLEM_CONTENT_TYPE,
  REQUEST_ID_HEADER,
  ROUTES,
  type ErrorCode,
  type Problem,
} from '#contracts';
import { breakConnection } from '#storage';
import type { Logger } from '#telemetry';
import { linger } from './linger.js';
import { hasPendingBody } from './request-checks.js';
import { requestIdOf } from './request-id.js';

/** The one place where errors become HTTP: problem+json (RFC 9457) with a stable code and the request id. */

/** Whatever is not a GranaryError is our bug or the machine's: the client learns the request id, the log the rest. */
export function toGranaryError(error: unknown): GranaryError {
  if (error instanceof GranaryError) return error;
  return new GranaryError('internal-error', 'An unexpected failure; the log has its details under the request id.', {
    cause: error,
  });
}

/** Logs the error and answers with it, or breaks the connection of an answer that has begun. */
export function endWithProblem(req: IncomingMessage, res: ServerResponse, error: GranaryError, logger: Logger): void {
  logProblem(req, error, logger);
  // On a plain connection a reset cannot be taken for the end of the object, not even where no length was told.
  if (res.headersSent) breakConnection(req.socket);
  else sendProblem(req, res, error);
}

/**
 * Answers with the error; the head must not have been sent. A client that is still sending a large
 * body is told to close, and listened to until it has had a chance to read the answer.
 */
export function sendProblem(req: IncomingMessage, res: ServerResponse, error: GranaryError): void {
  const requestId = requestIdOf(req);
  const body = problemBody(error, requestId);
  const isSending = hasPendingBody(req);
  const isLost = LOST_CONNECTION.has(error.code);
  const closing = isSending || isLost ? ['Connection', 'close'] : [];
  res.writeHead(error.status, [...problemHeaders(error, requestId, body.length), ...closing]);
  if (isSending && !isLost) linger(req, res, body);
  else res.end(body);
}

/** After these the next bytes on the connection, if any, are not the beginning of a request. */
const LOST_CONNECTION: ReadonlySet<ErrorCode> = new Set(['request-malformed', 'request-timeout', 'body-incomplete']);

/** Our bugs with their stack; the world's failures, of which a dead server makes many, in a line; refusals only for those who look. */
function logProblem(req: IncomingMessage, error: GranaryError, logger: Logger): void {
  const fields = { requestId: requestIdOf(req), code: error.code, method: req.method };
  const reason = error.cause instanceof Error ? error.cause.message : undefined;
  if (error.code === 'internal-error') logger.error({ ...fields, err: error.cause }, error.message);
  else if (error.status >= 500) logger.warn({ ...fields, reason }, error.message);
  else logger.debug({ ...fields, reason }, error.message);
}

/** The same for a connection whose request could not even be parsed. */
export function rawProblem(error: GranaryError, requestId: string): Buffer {
  const body = problemBody(error, requestId);
  const headers = [...problemHeaders(error, requestId, body.length), 'Connection', 'close'];
  const lines = [`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}`, `Date: ${new Date().toUTCString()}`];
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

function problemBody(error: GranaryError, requestId: string): Buffer {
  const problem: Problem = {
    type: `${ROUTES.errors}#${error.code}`,
    title: ERROR_CODES[error.code].title,
    status: error.status,
    code: error.code,
    detail: error.message,
    requestId,
  };
  return Buffer.from(JSON.stringify(problem));
}

function problemHeaders(error: GranaryError, requestId: string, length: number): string[] {
  const own = {
    'Content-Type': PROBLEM_CONTENT_TYPE,
    'Content-Length': String(length),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    [REQUEST_ID_HEADER]: requestId,
    ...(error.status === 503 && { 'Retry-After': '1' }),
  };
  return Object.entries({ ...own, ...error.headers }).flat();
}
