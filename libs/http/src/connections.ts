import type { Server, ServerResponse } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';

const tracked = new WeakMap<Server, Connections>();

/** Knows each open connection of a server and the response it is at. One per server, from the first call on. */
export function connectionsOf(server: Server): Connections {
  let connections = tracked.get(server);
  if (connections === undefined) {
    connections = new Connections(server);
    tracked.set(server, connections);
  }
  return connections;
}

const behind = new WeakMap<ServerResponse, ServerResponse>();

/** The unfinished response that this one, of a pipelined request, has to wait for. */
export function responseBefore(res: ServerResponse): ServerResponse | undefined {
  return behind.get(res);
}

/** A connection that speaks another protocol than HTTP by now. */
export interface UpgradedConnection {
  /** A request on it is in progress. */
  readonly isBusy: boolean;
  /** Asks the client to leave, after the answer to what is in progress. */
  goAway(): void;
}

export class Connections {
  private readonly latest = new Map<Duplex, ServerResponse | undefined>();
  private readonly handedOver = new Map<Duplex, UpgradedConnection>();
  private isLeaving = false;

  constructor(server: Server) {
    // With TLS the socket of a request is not the one that was accepted.
    server.on(server instanceof HttpsServer ? 'secureConnection' : 'connection', (socket: Duplex) => {
      this.latest.set(socket, undefined);
      socket.once('close', () => {
        this.latest.delete(socket);
        this.handedOver.delete(socket);
      });
    });
    // First in line, so that a handler that fails at once is known too.
    server.prependListener('request', (req, res) => {
      const before = this.pendingResponse(req.socket);
      if (before !== undefined) {
        behind.set(res, before);
        before.once('close', () => behind.delete(res));
      }
      this.latest.set(req.socket, res);
    });
  }

  /** The response that the connection is at: of pipelined ones the first unfinished. */
  currentResponse(socket: Duplex): ServerResponse | undefined {
    let current = this.pendingResponse(socket);
    for (let before = current; before !== undefined; before = responseBefore(before)) current = before;
    return current;
  }

  /** The last response that the connection has still to finish, if any. */
  pendingResponse(socket: Duplex): ServerResponse | undefined {
    const response = this.latest.get(socket);
    return response === undefined || response.writableFinished ? undefined : response;
  }

  /** The connection is another protocol's from now on. */
  handOver(socket: Duplex, upgraded: UpgradedConnection): void {
    if (!this.latest.has(socket)) return;
    this.handedOver.set(socket, upgraded);
    if (this.isLeaving) upgraded.goAway();
  }

  /** Asks the clients of all connections that were or will be handed over to leave. */
  sendAway(): void {
    this.isLeaving = true;
    for (const upgraded of this.handedOver.values()) upgraded.goAway();
  }

  /** How many have a request in progress. */
  get busyCount(): number {
    return this.all().filter(socket => this.isBusy(socket)).length;
  }

  private isBusy(socket: Duplex): boolean {
    return this.handedOver.get(socket)?.isBusy ?? this.pendingResponse(socket) !== undefined;
  }

  /** The responses in progress. */
  pendingResponses(): ServerResponse[] {
    return [...this.latest.keys()].flatMap(socket => this.pendingResponse(socket) ?? []);
  }

  all(): Duplex[] {
    return [...this.latest.keys()];
  }

  idle(): Duplex[] {
    return this.all().filter(socket => !this.isBusy(socket));
  }
}
