import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { GranaryError } from '#contracts';
import { connectionsOf, type UpgradedConnection } from './connections.js';
import { rawProblem, toGranaryError } from './problem.js';
import { checkRequest, hasPendingBody } from './request-checks.js';
import { newRequestId } from './request-id.js';

/** Another protocol than HTTP that a server speaks at one of its paths. */
export interface UpgradeEndpoint {
  /** Why a connection that comes now is not taken over, if so. */
  refusal(): GranaryError | undefined;
  /** Answers the request, and has the connection from then on. `head`: what came behind the request. */
  accept(socket: Socket, head: Buffer): UpgradedConnection;
}

export interface UpgradeOptions {
  path: string;
  /** As it stands in the header `Upgrade`. */
  protocol: string;
}

const CLOSE_AFTER_REFUSAL_MS = 1_000;

/**
 * Hands connections over whose client asks for the protocol at the path (RFC 9110 §7.8). Whoever asks
 * there for another is refused with 426. Every other request that mentions an upgrade is answered as if
 * it did not, as node does by itself on servers that upgrade nothing.
 */
export function serveUpgrades(server: Server, { path, protocol }: UpgradeOptions, endpoint: UpgradeEndpoint): void {
  const connections = connectionsOf(server);
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (req.url !== path) return answerWithoutUpgrade(server, req, socket, head);
    try {
      checkUpgrade(req, protocol);
      const refusal = endpoint.refusal();
      if (refusal !== undefined) throw refusal;
    } catch (error) {
      return refuse(socket, toGranaryError(error));
    }
    // A server of node:http has no other sockets, and no other that can be told so.
    connections.handOver(socket, endpoint.accept(socket as Socket, head));
  });
}

function checkUpgrade(req: IncomingMessage, protocol: string): void {
  checkRequest(req);
  if (req.method !== 'GET' || hasPendingBody(req)) {
    throw new GranaryError('request-malformed', 'An upgrade is asked for by a GET without a body.');
  }
  if (req.headers.upgrade?.toLowerCase() !== protocol) {
    throw new GranaryError('upgrade-required', `Only ${protocol} is spoken here.`, { headers: { Upgrade: protocol } });
  }
}

function refuse(socket: Duplex, error: GranaryError): void {
  socket.on('error', () => socket.destroy());
  socket.end(rawProblem(error, newRequestId()));
  setTimeout(() => socket.destroy(), CLOSE_AFTER_REFUSAL_MS).unref();
}

/** Gives the connection back to the server, with the request at its head as if the client had not mentioned an upgrade. */
function answerWithoutUpgrade(server: Server, req: IncomingMessage, socket: Duplex, head: Buffer): void {
  const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`];
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i] ?? '';
    if (name.toLowerCase() !== 'upgrade') lines.push(`${name}: ${req.rawHeaders[i + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}
