import type { Socket } from 'node:net';
import { holdUntilTurnEnd } from '#time';

/** The client closed its connection; nobody is left to be told. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/**
 * The sending half of a connection: writes what may be long with backpressure, so that at most one
 * chunk waits in memory.
 */
export class Outgoing {
  /** A data frame has been begun and not ended. */
  isInsideData = false;

  private pendingWrites = 0;
  private waiting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  private leaving: AbortController | undefined;

  constructor(private readonly socket: Socket) {}

  /** Aborted when the client goes, so that nobody waits for a store on its behalf. */
  get goneSignal(): AbortSignal {
    this.leaving ??= new AbortController();
    return this.leaving.signal;
  }

  /** Whether it is the client that is waited for, to take what was written. */
  get isBlocked(): boolean {
    return this.socket.writableLength > 0;
  }

  /** For what is small; it may not be changed any more. */
  send(frame: Buffer): void {
    if (!this.socket.destroyed) this.socket.write(frame);
  }

  /** The same for an answer that others may join: it goes out with this turn of the event loop. */
  sendWithTurn(frame: Buffer): void {
    if (this.socket.destroyed) return;
    holdUntilTurnEnd(this.socket);
    this.socket.write(frame);
  }

  /** Resolves (or is undefined) when the parts may be used again. */
  write(parts: readonly Buffer[]): Promise<void> | undefined {
    if (this.socket.destroyed) throw new ClientGone();
    if (parts.length > 1) this.socket.cork();
    this.pendingWrites += parts.length;
    for (const part of parts) this.socket.write(part, this.onWritten);
    if (parts.length > 1) this.socket.uncork();
    return this.socket.writableLength === 0 ? undefined : this.untilWritten();
  }

  /** The same for an answer that others may join. */
  writeWithTurn(parts: readonly Buffer[]): Promise<void> | undefined {
    if (!this.socket.destroyed) holdUntilTurnEnd(this.socket);
    return this.write(parts);
  }

  /** To be called when the connection has been closed. */
  close(): void {
    const gone = new ClientGone();
    this.waiting?.reject(gone);
    this.leaving?.abort(gone);
  }

  private readonly onWritten = (): void => {
    this.pendingWrites -= 1;
    if (this.pendingWrites === 0) this.waiting?.resolve();
  };

  private untilWritten(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }
}
