import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { GranaryError } from '#contracts';
import type { Logger } from '#telemetry';
import { StallWatch, stallCheckMs, unlessHeard } from '#time';
import { connectionsOf, responseBefore, type Connections } from './connections.js';
import { bodyReaderOf } from './incoming-body.js';
import { rawProblem } from './problem.js';
import { newRequestId } from './request-id.js';

/**
 * What `http.createServer` must be given, since it cannot be set later. Heads are read within 10 s and
 * 16 KiB. There is no limit on the time of a whole request: one that makes progress may take hours.
 */
export const HTTP_SERVER_OPTIONS = {
  headersTimeout: 10_000,
  requestTimeout: 0,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16 * 1024,
  // checkRequest does it, with a problem+json.
  requireHostHeader: false,
  // Small answers must not wait for the acknowledgement of the one before.
  noDelay: true,
} as const satisfies ServerOptions;

export interface HardenOptions {
  logger: Logger;
  /** A transfer that makes no progress for this long is closed. Default: 30 s. */
  stallTimeoutMs?: number;
  /** Connections beyond this are closed at once. Default: no limit but the system's. */
  maxConnections?: number;
}

const DEFAULT_STALL_TIMEOUT_MS = 30_000;
const LOG_INTERVAL_MS = 10_000;
const CLOSE_AFTER_REFUSAL_MS = 1_000;

/**
 * Makes a server hold against clients that are slow, broken or hostile: requests that cannot be parsed
 * get a problem+json and are closed, stalled transfers are closed, a lack of descriptors neither
 * ends the process nor floods the log, and `Expect` is left to the handler of 'request'. To be called before `listen`.
 */
export function hardenServer(server: Server, options: HardenOptions): void {
  const connections = connectionsOf(server);
  const stallTimeoutMs = options.stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS;
  server.timeout = stallCheckMs(stallTimeoutMs);
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections;
  const watches = new WeakMap<Socket, StallWatch>();
  server.on('timeout', socket => {
    const watch = watches.get(socket) ?? new StallWatch(stallTimeoutMs);
    watches.set(socket, watch);
    unlessHeard(socket, () => closeStalled(connections, socket, watch));
  });
  server.on('clientError', (error, socket) => refuse(connections, error, socket));
  server.on('connect', (_req, socket) => refuseTunnel(socket));
  leaveExpectToHandler(server);
  surviveAcceptErrors(server, options.logger);
}

/** By default node answers 100 Continue before anyone has looked at the request, and 417 with nothing more. */
function leaveExpectToHandler(server: Server): void {
  for (const event of ['checkContinue', 'checkExpectation']) {
    server.on(event, (req: IncomingMessage, res: ServerResponse) => server.emit('request', req, res));
  }
}

/** Whatever is idle between requests, and what stands still within one because of the client. */
function closeStalled(connections: Connections, socket: Socket, watch: StallWatch): void {
  const response = connections.currentResponse(socket);
  const reader = bodyReaderOf(socket);
  if (reader === undefined && response === undefined) {
    socket.destroy();
    return;
  }
  const isStoreAwaited = reader === undefined ? response?.headersSent === false : reader.isSinkBusy;
  const isStalled = () =>
    reader === undefined ? watch.takesNothing(socket.bytesWritten) : watch.sendsNothing(socket.bytesRead);
  if (isStoreAwaited || !isStalled()) {
    socket.setTimeout(watch.checkMs);
  } else if (reader === undefined) {
    socket.destroy();
  } else {
    reader.fail(new GranaryError('request-timeout', `The body made no progress for ${watch.stallTimeoutMs} ms.`));
  }
}

/** A request that node's parser gave up on. Nothing that it still reads from this connection will be a request. */
function refuse(connections: Connections, error: Error & { code?: string }, socket: Duplex): void {
  const refusal = refusalOf(error);
  const reader = bodyReaderOf(socket);
  if (reader !== undefined && socket.writable) {
    reader.fail(refusal);
  } else if (isAnswering(connections, socket) || !socket.writable || error.code === 'ECONNRESET') {
    // Whatever is written now would land in the middle of an answer.
    socket.destroy();
  } else {
    endWith(socket, refusal);
  }
}

/** CONNECT asks for a proxy; without a listener node closes the connection and says nothing. */
function refuseTunnel(socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  endWith(
    socket,
    new GranaryError('method-not-allowed', 'This is no proxy.', { headers: { Allow: 'GET, HEAD, PUT, DELETE' } }),
  );
}

function endWith(socket: Duplex, refusal: GranaryError): void {
  socket.end(rawProblem(refusal, newRequestId()));
  setTimeout(() => socket.destroy(), CLOSE_AFTER_REFUSAL_MS).unref();
}

/** Not yet, as long as the body of the only request on the connection is still to come. */
function isAnswering(connections: Connections, socket: Duplex): boolean {
  const response = connections.pendingResponse(socket);
  if (response === undefined) return false;
  return response.headersSent || response.req.complete || responseBefore(response) !== undefined;
}

function refusalOf({ code, message }: Error & { code?: string }): GranaryError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new GranaryError('headers-too-large', `The headers exceed ${HTTP_SERVER_OPTIONS.maxHeaderSize} bytes.`);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new GranaryError(
        'request-timeout',
        `The headers were not complete after ${HTTP_SERVER_OPTIONS.headersTimeout} ms.`,
      );
    case 'HPE_INVALID_EOF_STATE':
      return new GranaryError('body-incomplete', 'The connection was closed in the middle of the request.');
    default:
      return new GranaryError('request-malformed', message);
  }
}

/** Out of descriptors (EMFILE), libuv accepts and closes what waits, so nothing spins; node then emits an error for each. */
function surviveAcceptErrors(server: Server, logger: Logger): void {
  let nextLogMs = 0;
  let dropped = 0;
  const count = (reason: string): void => {
    dropped += 1;
    if (performance.now() < nextLogMs) return;
    nextLogMs = performance.now() + LOG_INTERVAL_MS;
    logger.warn({ dropped, reason }, 'connections were dropped');
  };
  server.on('drop', () => count(`more than ${server.maxConnections} connections`));
  server.on('error', (error: NodeJS.ErrnoException) => {
    if (error.syscall === 'accept') count(error.message);
    // Others, such as that of listen, belong to whoever called; without this listener node would throw them too.
    else if (server.listenerCount('error') === 1) throw error;
  });
}
