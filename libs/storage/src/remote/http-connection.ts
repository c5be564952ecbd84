import type { Socket } from 'node:net';
import { startDeadline, type Cancel } from '#time';
import type { BufferPool } from '../buffer-pool.js';
import type { Sink } from '../shard-store.js';
import { DataServerUnavailable, type UnavailableReason } from '../data-server-unavailable.js';
import type { ConnectionHooks, PooledConnection } from './connection-pool.js';
import { connectSocket, type ClientTls } from './connect-socket.js';
import { ReadBuffers } from './read-buffers.js';
import { MalformedResponse, ResponseParser, type ResponseHead } from './response-parser.js';

export interface ConnectionOptions extends ConnectionHooks<HttpConnection> {
  /** Until the connection stands. */
  connectMs: number;
  /** Without progress of a body, in either direction, that the server should make. */
  stallMs: number;
  buffers: BufferPool;
  tls?: ClientTls | undefined;
}

export interface Exchange {
  method: 'GET' | 'HEAD' | 'PUT' | 'DELETE' | 'POST';
  /** Request line and fields with all their line ends, the empty line included. */
  head: string;
  /** All of it; or `streamed`, to be sent by `write` and `finish`. Default: no body. */
  body?: Buffer | 'streamed' | undefined;
  /** Breaks off the exchange and the connection with it; what waits rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Whether the head of the response is to be believed. One that is not breaks the exchange off. */
  isBelieved?: ((head: ResponseHead) => boolean) | undefined;
}

/** `continue`: 100. `answer`: the final head is here. `silence`: neither, within the time given. */
export type Sign = 'continue' | 'answer' | 'silence';

const OWN_BUFFER_BYTES = 32 * 1024;
/** A body this small that came together with its head is copied, which frees the connection. */
const COPIED_BODY_BYTES = 16 * 1024;
/** Reading this much of a body that nobody wants is cheaper than a new connection. */
const DRAINED_BODY_BYTES = 64 * 1024;
/** A head and body this small go out in one buffer. */
const JOINED_REQUEST_BYTES = 8 * 1024;

const EMPTY = Buffer.alloc(0);

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/**
 * One keep-alive connection to a data server, with one exchange in flight: a small, strict HTTP/1.1
 * client that reads into buffers it uses again. `start` an exchange, `write` and `finish` a streamed
 * body, `receive` the response and read its body. Whatever is in doubt (a malformed or early response,
 * bytes too many, a deadline) closes the connection, and what waits rejects with DataServerUnavailable.
 */
export class HttpConnection implements PooledConnection {
  idleSinceMs = 0;

  private readonly parser = new ResponseParser();
  private readonly buffers: ReadBuffers;
  private readonly socket: Socket;

  private exchange: Exchange | undefined;
  private exchanges = 0;
  private heard = false;
  private requestSent = false;
  private response: Response | undefined;
  private sink: Sink | undefined;
  private sinkHolds = false;
  private inRead = false;
  private cancelDeadline: Cancel | undefined;
  private stale = false;
  private ended: { error: unknown } | undefined;

  private openWaiter: Waiter<HttpConnection> | undefined;
  private signWaiter: Waiter<Sign> | undefined;
  private writeWaiter: Waiter<void> | undefined;
  private bodyWaiter: Waiter<void> | undefined;

  static open(address: string, options: ConnectionOptions): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const connection = new HttpConnection(address, options);
      connection.openWaiter = { resolve, reject };
    });
  }

  private constructor(
    readonly address: string,
    private readonly options: ConnectionOptions,
  ) {
    this.buffers = new ReadBuffers(options.buffers, OWN_BUFFER_BYTES);
    this.socket = connectSocket({
      address,
      tls: options.tls,
      onread: { buffer: () => this.chooseBuffer(), callback: bytes => this.onRead(bytes) },
      onConnect: () => this.onConnect(),
    });
    this.socket.on('end', () => this.breakOff('closed', 'closed the connection'));
    this.socket.on('error', cause => this.breakOff('closed', `broke the connection (${cause.message})`, cause));
    this.arm(options.connectMs, () => this.breakOff('timeout', `took no connection within ${options.connectMs} ms`));
  }

  /** Whether it was closed while idle, as far as can be told: after other exchanges, and before any byte of this response. */
  get wasStale(): boolean {
    return this.stale;
  }

  /** Whether the head of the response is here; before the request is complete that is a refusal. */
  get hasAnswered(): boolean {
    return this.response !== undefined;
  }

  start(exchange: Exchange): void {
    if (this.exchange !== undefined) throw new Error('An exchange is in flight on this connection.');
    this.exchange = exchange;
    this.exchanges += 1;
    this.heard = false;
    this.response = undefined;
    this.requestSent = exchange.body !== 'streamed';
    if (this.ended !== undefined) return;
    if (exchange.signal?.aborted) return this.end(exchange.signal.reason);
    exchange.signal?.addEventListener('abort', this.onAbort);
    this.parser.begin(exchange.method);
    this.sendRequest(exchange);
  }

  /** Resolves (or is undefined) when the parts may be reused. After an early answer it sends nothing. */
  write(...parts: (Buffer | string)[]): Promise<void> | undefined {
    if (this.response !== undefined) return undefined;
    if (this.ended !== undefined) throw this.ended.error;
    this.send(parts);
    if (this.socket.writableLength === 0) return undefined;
    const { stallMs } = this.options;
    this.arm(stallMs, () => this.breakOff('timeout', `took none of a body for ${stallMs} ms`));
    return new Promise((resolve, reject) => {
      this.writeWaiter = { resolve, reject };
    });
  }

  /** Sends the end of a streamed body. */
  finish(...parts: (Buffer | string)[]): void {
    if (this.response !== undefined || this.ended !== undefined) return;
    this.requestSent = true;
    this.send(parts);
  }

  /** Waits for a sign of the server at most so long, and leaves it to the caller what silence means. */
  listen(timeoutMs: number): Promise<Sign> {
    return new Promise((resolve, reject) => {
      if (this.response !== undefined) return resolve('answer');
      if (this.ended !== undefined) return reject(this.ended.error);
      this.signWaiter = { resolve, reject };
      this.arm(timeoutMs, () => this.sign('silence'));
    });
  }

  /** The response; what is not there within the deadline breaks the exchange off. */
  async receive(timeoutMs: number): Promise<Response> {
    const deadline = performance.now() + timeoutMs;
    while (this.response === undefined) {
      const sign = await this.listen(Math.max(1, deadline - performance.now()));
      if (sign === 'silence') this.breakOff('timeout', `did not answer within ${Math.round(timeoutMs)} ms`);
    }
    return this.response;
  }

  /** Feeds the body to the sink. Rejects if it does not come whole, or with what the sink throws. */
  copyBody(sink: Sink): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) return reject(this.ended.error);
      this.sink = sink;
      this.bodyWaiter = { resolve, reject };
      this.resume();
    });
  }

  /** The body is not wanted. */
  discardBody(): void {
    if (this.parser.bodyToRead > DRAINED_BODY_BYTES) return this.close();
    this.copyBody(() => undefined).catch(() => this.close());
  }

  /** Calls the exchange failed, by the server's doing. Returns what waits rejects with. */
  breakOff(reason: UnavailableReason, detail: string, cause?: unknown): unknown {
    if (this.ended !== undefined) return this.ended.error;
    const idle = this.exchange === undefined && this.openWaiter === undefined;
    this.stale = reason === 'closed' && this.exchanges > 0 && (idle || (this.exchanges > 1 && !this.heard));
    const mayHaveHappened = this.requestSent && (this.exchange?.method === 'PUT' || this.exchange?.method === 'DELETE');
    const error = new DataServerUnavailable(
      this.address,
      this.openWaiter === undefined ? reason : 'unreachable',
      detail,
      { mayHaveHappened, cause },
    );
    this.end(error);
    // A sound server, too, cuts off a body whose bytes turn out to be damaged.
    const isCutBody = reason === 'closed' && this.response !== undefined;
    if (!idle && !this.stale && !isCutBody) this.options.onFailure(error);
    return error;
  }

  /** Closes at once, whatever is in flight; it counts against nobody. */
  close(): void {
    this.end(new DataServerUnavailable(this.address, 'closed', 'was left by us'));
  }

  /** Closes; what waits rejects with the error. */
  end(error: unknown): void {
    if (this.ended !== undefined) return;
    this.ended = { error };
    this.disarm();
    this.exchange?.signal?.removeEventListener('abort', this.onAbort);
    this.socket.destroy();
    if (!this.sinkHolds) this.buffers.giveAllBack();
    for (const waiter of [this.openWaiter, this.signWaiter, this.writeWaiter, this.bodyWaiter]) waiter?.reject(error);
    this.options.onClosed(this);
  }

  private readonly onAbort = (): void => this.end(this.exchange?.signal?.reason);

  private onConnect(): void {
    this.disarm();
    this.openWaiter?.resolve(this);
    this.openWaiter = undefined;
  }

  private sendRequest({ head, body }: Exchange): void {
    if (!(body instanceof Buffer)) return this.send([head]);
    if (head.length + body.length > JOINED_REQUEST_BYTES) return this.send([head, body]);
    const request = Buffer.allocUnsafe(head.length + body.length);
    request.write(head, 0, 'latin1');
    body.copy(request, head.length);
    this.send([request]);
  }

  private send(parts: readonly (Buffer | string)[]): void {
    if (parts.length > 1) this.socket.cork();
    for (const part of parts) {
      if (typeof part === 'string') this.socket.write(part, 'latin1', this.onWritten);
      else this.socket.write(part, this.onWritten);
    }
    if (parts.length > 1) this.socket.uncork();
  }

  /** What failed to be written is left to the socket's `error`. */
  private readonly onWritten = (error?: Error | null): void => {
    if (error != null || this.writeWaiter === undefined || this.socket.writableLength > 0) return;
    this.disarm();
    this.writeWaiter.resolve();
    this.writeWaiter = undefined;
  };

  /** Returns whether the socket shall go on reading. */
  private onRead(bytes: number): boolean {
    this.heard = true;
    this.parser.feed(this.buffers.target.subarray(0, bytes));
    this.inRead = true;
    const canReadOn = this.advance();
    this.inRead = false;
    return canReadOn;
  }

  /** Called by the socket after each onRead, for what the next bytes are read into. */
  private chooseBuffer(): Buffer {
    if (this.ended !== undefined) return this.buffers.target;
    const buffer = this.buffers.choose(this.parser.bodyToReceive);
    if (this.exchange === undefined) this.buffers.giveBack();
    return buffer;
  }

  private resume(): void {
    if (this.ended !== undefined) return this.buffers.giveAllBack();
    if (!this.advance() || this.ended !== undefined) return;
    this.socket.resume();
  }

  /** Handles what has been read, until more is needed (true) or somebody holds it (false). */
  private advance(): boolean {
    try {
      return this.handleEvents();
    } catch (error) {
      if (error instanceof MalformedResponse) {
        this.breakOff('malformed', `sent a malformed response: ${error.message}`, error);
      } else {
        this.end(error);
      }
      return false;
    }
  }

  private handleEvents(): boolean {
    for (;;) {
      switch (this.parser.next()) {
        case 'need-input':
          if (this.bodyWaiter !== undefined) this.awaitBody();
          return true;
        case 'interim':
          this.sign('continue');
          break;
        case 'head':
          if (!this.takeHead()) return false;
          break;
        case 'data':
          if (!this.feedSink(this.parser.data)) return false;
          break;
        case 'end':
          this.endExchange();
          if (this.ended !== undefined) return false;
          break;
      }
    }
  }

  private awaitBody(): void {
    const { stallMs } = this.options;
    this.arm(stallMs, () => this.breakOff('timeout', `sent none of a body for ${stallMs} ms`));
  }

  private sign(sign: Sign): void {
    if (this.signWaiter === undefined) return;
    this.disarm();
    this.signWaiter.resolve(sign);
    this.signWaiter = undefined;
  }

  /** Returns whether the response is complete; else its body waits to be read. */
  private takeHead(): boolean {
    const { head, unread } = this.parser;
    if (this.exchange?.isBelieved?.(head) === false) {
      this.breakOff('answer', 'did not show that it knows the cluster secret');
      return false;
    }
    const isComplete =
      head.bodyLength !== 'chunked' && head.bodyLength <= COPIED_BODY_BYTES && head.bodyLength <= unread;
    this.response = new Response(head, isComplete ? this.copyShortBody(head) : this);
    this.options.onAnswer();
    this.sign('answer');
    this.writeWaiter?.resolve();
    this.writeWaiter = undefined;
    this.disarm();
    return isComplete;
  }

  private copyShortBody({ bodyLength }: ResponseHead): Buffer {
    if (bodyLength === 0) return EMPTY;
    this.parser.next();
    return Buffer.from(this.parser.data);
  }

  /** Returns whether the sink can take more at once. */
  private feedSink(chunk: Buffer): boolean {
    const held = this.sink?.(chunk);
    if (held === undefined) return true;
    this.disarm();
    this.sinkHolds = true;
    held.then(this.onTaken, this.onSinkFailure);
    return false;
  }

  private readonly onTaken = (): void => {
    this.sinkHolds = false;
    this.resume();
  };

  private readonly onSinkFailure = (error: unknown): void => {
    this.sinkHolds = false;
    this.end(error);
    this.buffers.giveAllBack();
  };

  private endExchange(): void {
    const { head, unread } = this.parser;
    const ownsTarget = this.inRead || this.buffers.isOwn;
    const isReusable = head.keepAlive && this.requestSent && unread === 0 && ownsTarget;
    this.disarm();
    this.exchange?.signal?.removeEventListener('abort', this.onAbort);
    this.exchange = undefined;
    this.sink = undefined;
    const waiter = this.bodyWaiter;
    this.bodyWaiter = undefined;
    waiter?.resolve();
    if (!isReusable) return this.close();
    if (!this.inRead) this.buffers.giveBack();
    this.options.onIdle(this);
  }

  private arm(ms: number, onExpiry: () => void): void {
    this.cancelDeadline?.();
    this.cancelDeadline = startDeadline(ms, onExpiry);
  }

  private disarm(): void {
    this.cancelDeadline?.();
    this.cancelDeadline = undefined;
  }
}

/** A response whose body has been read already, or waits on its connection. It must be read or discarded. */
export class Response {
  readonly status: number;
  private taken = false;

  constructor(
    private readonly head: ResponseHead,
    private readonly body: Buffer | HttpConnection,
  ) {
    this.status = head.status;
  }

  header(name: string): string | undefined {
    return this.head.fields.get(name);
  }

  /** The whole body, if it came with the head. */
  get bytes(): Buffer | undefined {
    return this.body instanceof HttpConnection ? undefined : this.body;
  }

  /** Bytes of the body; undefined if the sender did not say. */
  get bodyLength(): number | undefined {
    return this.head.bodyLength === 'chunked' ? undefined : this.head.bodyLength;
  }

  /** Once only, unless the body came with the head. */
  async copyTo(sink: Sink, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.taken = true;
    if (!(this.body instanceof HttpConnection)) {
      if (this.body.length > 0) await sink(this.body);
      return;
    }
    const connection = this.body;
    const onAbort = (): void => connection.end(signal?.reason);
    signal?.addEventListener('abort', onAbort);
    try {
      await connection.copyBody(sink);
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Idempotent; after `copyTo` it does nothing. */
  discard(): void {
    if (this.taken || !(this.body instanceof HttpConnection)) return;
    this.taken = true;
    this.body.discardBody();
  }
}
