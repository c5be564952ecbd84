import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { GranaryError } from '#contracts';
import type { Sink } from '#storage';
import { PacedTransfer } from '#time';

/** A property: a WeakMap costs as much as all that node does to hand out a small body. */
const READER = Symbol('body reader');
type ReadConnection = Duplex & { [READER]?: BodyReader | undefined };

/** Who reads a body from this connection at present; it is told what only the connection notices (server-hygiene.ts). */
export function bodyReaderOf(socket: ReadConnection): BodyReader | undefined {
  return socket[READER];
}

/**
 * Feeds the body to the sink in order. Resolves when the body came whole and every chunk was taken;
 * rejects with the sink's error, or with `body-incomplete` when the client went away. What remains of
 * the body is then left unread.
 */
export function readBody(req: IncomingMessage, sink: Sink): Promise<void> {
  return new Promise((resolve, reject) => {
    const reader = new BodyReader(req, sink, error => (error === undefined ? resolve() : reject(error)));
    reader.start();
  });
}

/** A plain 'data' listener with pause and resume: half the cost of an async iterator, which also destroys the socket when left early. */
export class BodyReader {
  /** Whether a chunk is with the sink, so that it is not the client who is awaited. */
  isSinkBusy = false;
  private hasEnded = false;
  private isSettled = false;
  private readonly transfer: PacedTransfer;

  constructor(
    private readonly req: IncomingMessage,
    private readonly sink: Sink,
    private readonly settle: (error?: unknown) => void,
  ) {
    const length = req.headers['content-length'];
    this.transfer = new PacedTransfer(length === undefined ? undefined : Number(length));
  }

  start(): void {
    if (this.req.destroyed) {
      this.onGone();
      return;
    }
    this.connection[READER] = this;
    this.req.on('data', this.onData);
    this.req.on('end', this.onEnd);
    this.req.on('error', this.onGone);
    this.req.on('close', this.onGone);
  }

  fail(error: unknown): void {
    this.finish(error);
    this.req.pause();
  }

  private readonly onData = (chunk: Buffer): void => {
    // A chunk that the sink is done with may have been freed: then it has no length any more.
    const { length } = chunk;
    let taken: Promise<void> | undefined;
    try {
      taken = this.transfer.pace(length, this.sink(chunk));
    } catch (error) {
      this.fail(error);
      return;
    }
    if (taken === undefined) return;
    this.isSinkBusy = true;
    this.req.pause();
    taken.then(this.onTaken, (error: unknown) => this.fail(error));
  };

  private readonly onTaken = (): void => {
    this.isSinkBusy = false;
    if (this.isSettled) return;
    if (this.hasEnded) this.finish();
    else this.req.resume();
  };

  private readonly onEnd = (): void => {
    this.hasEnded = true;
    if (!this.isSinkBusy) this.finish();
  };

  private readonly onGone = (): void => {
    if (this.hasEnded) return;
    this.finish(new GranaryError('body-incomplete', 'The client went away before the body was complete.'));
  };

  private get connection(): ReadConnection {
    return this.req.socket;
  }

  private finish(error?: unknown): void {
    this.isSettled = true;
    if (this.connection[READER] === this) this.connection[READER] = undefined;
    this.req.off('data', this.onData);
    this.req.off('end', this.onEnd);
    this.req.off('close', this.onGone);
    // The error listener stays: a request that breaks later must not end the process.
    this.settle(error);
  }
}
