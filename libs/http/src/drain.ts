import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Server, ServerResponse } from 'node:http';
import { Server as NetServer } from 'node:net';
import { connectionsOf, type Connections } from './connections.js';

export interface DrainOptions {
  /** How long idle connections stay, for requests that were sent before their client saw the close. */
  graceMs: number;
  /** After this, what is still in progress is cut. */
  deadlineMs: number;
}

export interface DrainResult {
  /** Requests that were still in progress at the deadline. */
  cutRequests: number;
}

const POLL_MS = 20;
/** The first may have begun behind the sockets of its turn. */
const QUIET_TURNS = 2;
const MAX_TURNS = 1_000;

/**
 * Ends a server in good order: no new connections; every answer whose head is still to be made says `Connection: close`;
 * requests in progress finish, also those that arrive on idle connections within the grace. Resolves
 * when all connections are closed. node's own `close` would drop idle connections at once, and with
 * them the requests that are on their way.
 */
export async function drainServer(server: Server, { graceMs, deadlineMs }: DrainOptions): Promise<DrainResult> {
  const startedMs = performance.now();
  const connections = connectionsOf(server);
  await acceptPending(server);
  const closed = stopListening(server);
  closeAfterAnswer(server, connections);
  connections.sendAway();
  await sleepAndRead(graceMs);
  let busy = closeIdle(connections);
  while (busy > 0 && performance.now() - startedMs < deadlineMs) {
    // oxlint-disable-next-line no-await-in-loop -- waiting is what it is for
    await sleepAndRead(POLL_MS);
    busy = closeIdle(connections);
  }
  server.closeAllConnections();
  for (const socket of connections.all()) socket.destroy();
  await closed;
  return { cutRequests: busy };
}

/**
 * Connections that the kernel has made and nobody has accepted are reset when the listening socket
 * closes. A turn of the event loop accepts one of them: after turns that accepted none there are none,
 * but for those that come in the microseconds until it closes, which nothing can prevent.
 */
async function acceptPending(server: Server): Promise<void> {
  let accepted = 0;
  const count = () => void accepted++;
  server.on('connection', count);
  for (let turn = 0, quiet = 0; turn < MAX_TURNS && quiet < QUIET_TURNS; turn++) {
    const before = accepted;
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    await nextTurn();
    quiet = accepted === before ? quiet + 1 : 0;
  }
  server.off('connection', count);
}

/** Timers go before sockets: after a pause of the whole process, what came in time has not been read yet. */
async function sleepAndRead(ms: number): Promise<void> {
  await sleep(ms);
  await nextTurn();
}

/** Of net.Server rather than http.Server: the one without the immediate end of idle connections. */
function stopListening(server: Server): Promise<void> {
  return new Promise(resolve => {
    NetServer.prototype.close.call(server, () => {
      server.close(() => {});
      resolve();
    });
  });
}

function closeAfterAnswer(server: Server, connections: Connections): void {
  for (const response of connections.pendingResponses()) sayClose(response);
  server.prependListener('request', (_req, response) => sayClose(response));
}

function sayClose(response: ServerResponse): void {
  response.shouldKeepAlive = false;
}

/** How many connections are left, all with a request in progress. */
function closeIdle(connections: Connections): number {
  for (const socket of connections.idle()) socket.destroy();
  return connections.busyCount;
}
