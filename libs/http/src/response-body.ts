import type { ServerResponse } from 'node:http';
import type { Sink } from '#storage';
import { PacedTransfer, atTurnEnd } from '#time';

/** The client closed its connection before it had the whole answer; nobody is left to be told. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/**
 * Sends a small answer, whose head has been written, with this turn of the event loop (why: holdUntilTurnEnd
 * in #time). As a string the body is joined with the head, and `end` by itself writes nothing more: one write of one
 * piece, where `end(chunk)` makes a vector of three, at several times the cost.
 */
export function endWithTurn(res: ServerResponse, body = ''): void {
  atTurnEnd(() => {
    if (res.destroyed) return;
    if (body !== '') {
      res.cork();
      res.write(body, 'latin1');
      res.uncork();
    }
    res.end();
  });
}

const LARGE_BYTES = 64 * 1024;
const JOINED_BYTES = 8 * 1024;

/**
 * Writes the body of one response from chunks whose buffers are used again (Sink in #storage). The
 * head goes with the first chunk, in one system call, so that a failure before it can still be
 * answered properly. When the kernel takes a chunk at once, as it does most small ones, no promise is
 * made for it.
 */
export class ResponseBody {
  private pendingWrites = 0;
  private waiting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  private isWatchingClose = false;
  /** What was written waits for what comes next. */
  private isCorked = false;
  /** The last chunk has been taken, and is sent with the turn. */
  private isEnding = false;
  /** Written since its mover was last made to wait. */
  private unpacedBytes = 0;
  private readonly transfer: PacedTransfer;
  private readonly isLarge: boolean;
  private copying: AbortController | undefined;

  /** `unsentBytes` is the length of the body, or undefined for a chunked one. */
  constructor(
    private readonly res: ServerResponse,
    private readonly writeHead: () => void,
    private unsentBytes: number | undefined,
  ) {
    this.transfer = new PacedTransfer(unsentBytes);
    this.isLarge = unsentBytes === undefined || unsentBytes > LARGE_BYTES;
  }

  /** What copyTo is to be given: a copy that takes a while ends when the client goes, even if the store is silent. */
  get copyOptions(): { signal?: AbortSignal } {
    if (!this.isLarge) return {};
    this.watchClose();
    this.copying ??= new AbortController();
    return { signal: this.copying.signal };
  }

  readonly sink: Sink = (chunk, more = false) => {
    const { res } = this;
    if (res.destroyed) throw new ClientGone();
    if (chunk.length === 0 && (more || !this.isCorked)) return undefined;
    if (!res.headersSent) this.writeHead();
    if (this.unsentBytes !== undefined) this.unsentBytes -= chunk.length;
    return this.unsentBytes === 0 ? this.writeLast(chunk) : this.write(chunk, more);
  };

  private writeLast(chunk: Buffer): Promise<void> | undefined {
    // What waits has buffers that are used again.
    if (this.isCorked || this.isLarge) return this.endWith(chunk);
    if (chunk.length <= JOINED_BYTES) return this.endJoined(chunk);
    return new Promise<void>(resolve => atTurnEnd(resolve)).then(() => this.endWith(chunk));
  }

  private endWith(chunk: Buffer): Promise<void> | undefined {
    if (this.res.destroyed) throw new ClientGone();
    // `end` sends whatever waits.
    this.isCorked = false;
    this.res.end(chunk);
    if (this.res.writableLength === 0) return undefined;
    this.pendingWrites += 1;
    this.res.once('finish', this.onWritten);
    return this.untilWritten();
  }

  private endJoined(chunk: Buffer): undefined {
    this.isEnding = true;
    endWithTurn(this.res, chunk.toString('latin1'));
    return undefined;
  }

  private write(chunk: Buffer, more: boolean): Promise<void> | undefined {
    this.pendingWrites += 1;
    if (!this.isCorked) this.res.cork();
    this.isCorked = more;
    this.res.write(chunk, this.onWritten);
    this.unpacedBytes += chunk.length;
    if (more) return undefined;
    this.res.uncork();
    const bytes = this.unpacedBytes;
    this.unpacedBytes = 0;
    return this.transfer.pace(bytes, this.res.writableLength === 0 ? undefined : this.untilWritten());
  }

  /** To be called when everything was fed. Throws when that was less than promised. */
  end(): void {
    const { res } = this;
    if (this.isEnding || res.writableEnded) return;
    if (res.destroyed) throw new ClientGone();
    if (this.unsentBytes !== undefined && this.unsentBytes !== 0) {
      throw new Error(`The store fed ${this.unsentBytes} bytes less than the object has.`);
    }
    if (!res.headersSent) this.writeHead();
    res.end();
  }

  private readonly onWritten = (): void => {
    this.pendingWrites -= 1;
    if (this.pendingWrites === 0) this.waiting?.resolve();
  };

  private untilWritten(): Promise<void> {
    this.watchClose();
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  private watchClose(): void {
    if (this.isWatchingClose) return;
    this.isWatchingClose = true;
    this.res.once('close', () => {
      this.waiting?.reject(new ClientGone());
      if (!this.res.writableEnded) this.copying?.abort(new ClientGone());
    });
  }
}
