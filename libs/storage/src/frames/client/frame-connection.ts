import type { Socket } from 'node:net';
import { holdUntilTurnEnd } from '#time';
import type { BufferPool } from '../../buffer-pool.js';
import { DataServerUnavailable, type UnavailableReason } from '../../data-server-unavailable.js';
import { connectSocket, type ClientTls } from '../../remote/connect-socket.js';
import type { ConnectionHooks, PooledConnection } from '../../remote/connection-pool.js';
import { ReadBuffers } from '../../remote/read-buffers.js';
import type { Sink } from '../../shard-store.js';
import { decodeFailure, decodeSum, encodeEmpty } from '../codec/answer-frames.js';
import { FrameParser } from '../codec/frame-parser.js';
import { FRAMES, MalformedFrame } from '../codec/frame-types.js';
import { decodeAnswer, type Answer } from './answer.js';
import { ClientHandshake, HandshakeRefused, type HandshakeOptions } from './client-handshake.js';
import type { DeadlineWatch, Waiting } from './deadline-watch.js';
import { IncomingBody } from './incoming-body.js';
import { refusalOfFailure } from './failure.js';

export interface FrameConnectionOptions extends HandshakeOptions, ConnectionHooks<FrameConnection> {
  /** Until the connection stands, handshake and all. */
  connectMs: number;
  /** Without progress of a body, in either direction, that the server should make. */
  stallMs: number;
  buffers: BufferPool;
  /** In a cluster that speaks TLS. */
  tls?: ClientTls | undefined;
  deadlines: DeadlineWatch;
}

export interface FrameExchange {
  /** The frames of the request, numbered. */
  request: (exchange: number) => readonly Buffer[];
  /** `read` changes nothing. `write`: it is done, or may be, once it has been sent. `upload`: only once `commit` has been sent. */
  kind: 'read' | 'write' | 'upload';
  /** Breaks off the exchange and the connection with it; what waits rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** What the server is expected to do before the deadline; for `piece`, an upload's next bytes, it is we who are. */
type Awaited = 'connection' | 'answer' | 'body' | 'room' | 'piece';

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** Reading this much of a body that nobody wants any more is cheaper than a new connection. */
const DRAINED_BODY_BYTES = 256 * 1024;
const OWN_BUFFER_BYTES = 16 * 1024;
const MAX_EXCHANGE = 0xffff;
/** A server whose stall time is shorter than ours hears of an upload in time, too. */
const SIGNS_PER_STALL = 10;
const EMPTY = Buffer.alloc(0);
const DROP: Sink = () => undefined;

/**
 * One connection of the frame protocol to a data server, with one exchange in flight, that reads into
 * buffers it uses again. `start` an exchange, `receive` its answers, `copyBody` what was found, `write`
 * and `commit` an upload, which is kept open however late its bytes are: who began it ends it. Whatever
 * is in doubt (a malformed frame, bytes too many, a deadline) closes the connection, and what waits
 * rejects with DataServerUnavailable.
 */
export class FrameConnection implements PooledConnection, Waiting {
  idleSinceMs = 0;
  deadlineMs = Infinity;
  /** Of the exchange in flight. */
  exchangeNumber = 0;

  private readonly parser = new FrameParser();
  private readonly handshake: ClientHandshake;
  private readonly socket: Socket;
  private phase: 'upgrading' | 'introducing' | 'open' = 'upgrading';

  private readonly buffers: ReadBuffers;
  private inRead = false;
  private sinkHolds = false;
  /** What comes next waits for somebody to take it. */
  private isParked = false;

  private exchange: FrameExchange | undefined;
  private exchanges = 0;
  private heard = false;
  private mayHaveHappened = false;
  private isLeaving = false;
  private stale = false;
  private ended: { error: unknown } | undefined;
  private body: IncomingBody | undefined;
  /** An answer that came before it was asked for. */
  private unclaimed: Answer | undefined;
  /** The body of an upload has been asked for. */
  private hasProceeded = false;

  private awaited: Awaited = 'connection';
  private onSilence: (() => void) | undefined;
  private openWaiter: Waiter<FrameConnection> | undefined;
  private answerWaiter: Waiter<Answer> | undefined;
  private writeWaiter: Waiter<void> | undefined;
  private bodyWaiter: Waiter<void> | undefined;

  static open(address: string, options: FrameConnectionOptions): Promise<FrameConnection> {
    return new Promise((resolve, reject) => {
      const connection = new FrameConnection(address, options);
      connection.openWaiter = { resolve, reject };
    });
  }

  private constructor(
    readonly address: string,
    private readonly options: FrameConnectionOptions,
  ) {
    this.handshake = new ClientHandshake(address, options);
    this.buffers = new ReadBuffers(options.buffers, OWN_BUFFER_BYTES);
    this.socket = connectSocket({
      address,
      tls: options.tls,
      onread: { buffer: () => this.chooseBuffer(), callback: bytes => this.onRead(bytes) },
      onConnect: () => this.socket.write(this.handshake.request),
    });
    this.socket.on('end', () => this.breakOff('closed', 'closed the connection'));
    this.socket.on('error', cause => this.breakOff('closed', `broke the connection (${cause.message})`, cause));
    this.await('connection', options.connectMs);
  }

  /** Whether it was closed while idle, as far as can be told: after other exchanges, and before any byte of this answer. */
  get wasStale(): boolean {
    return this.stale;
  }

  /** Whether an upload has been answered before its end: that is a refusal. */
  get hasAnswered(): boolean {
    return this.unclaimed !== undefined;
  }

  start(exchange: FrameExchange): void {
    if (this.exchange !== undefined) throw new Error('An exchange is in flight on this connection.');
    this.exchange = exchange;
    this.exchanges += 1;
    this.exchangeNumber = this.exchanges % (MAX_EXCHANGE + 1);
    this.heard = false;
    this.unclaimed = undefined;
    this.hasProceeded = false;
    if (this.ended !== undefined) return;
    if (exchange.signal?.aborted) return this.end(exchange.signal.reason);
    exchange.signal?.addEventListener('abort', this.onAbort);
    this.mayHaveHappened = exchange.kind === 'write';
    if (exchange.kind === 'read') holdUntilTurnEnd(this.socket);
    this.send(exchange.request(this.exchangeNumber));
  }

  /** The next answer. When it is not there in time, `onSilence` decides what becomes of the exchange; by default it is broken off. */
  receive(timeoutMs: number, onSilence?: () => void): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const answer = this.unclaimed;
      if (answer !== undefined) {
        this.unclaimed = undefined;
        return resolve(answer);
      }
      if (this.ended !== undefined) return reject(this.ended.error);
      this.answerWaiter = { resolve, reject };
      this.onSilence = onSilence;
      this.await('answer', timeoutMs);
      this.unpark();
    });
  }

  /** The server lives, and gets so much more time for its answer. */
  extend(timeoutMs: number): void {
    this.onSilence = undefined;
    if (this.answerWaiter !== undefined) this.await('answer', timeoutMs);
  }

  /** Takes whole frames. Resolves (or is undefined) when the parts may be used again. After an early answer it sends nothing. */
  write(parts: readonly Buffer[]): Promise<void> | undefined {
    if (this.unclaimed !== undefined) return undefined;
    if (this.ended !== undefined) throw this.ended.error;
    this.send(parts);
    if (this.socket.writableLength === 0) return this.awaitPiece();
    this.await('room', this.options.stallMs);
    return new Promise((resolve, reject) => {
      this.writeWaiter = { resolve, reject };
    });
  }

  /** Sends the end of an upload, after which it may have happened. */
  commit(frame: Buffer): void {
    if (this.unclaimed !== undefined || this.ended !== undefined) return;
    this.mayHaveHappened = true;
    this.send([frame]);
  }

  /** Feeds what was found to the sink. Rejects if it does not come whole, or with what the sink throws. */
  copyBody(sink: Sink): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) return reject(this.ended.error);
      if (this.body === undefined) throw new Error('The body has been read.');
      this.body.sink = sink;
      this.bodyWaiter = { resolve, reject };
      this.unpark();
    });
  }

  /** What is left of the body is not wanted. What waits for it rejects with the error. */
  cancelBody(error: unknown): void {
    if (this.dropBody(error)) this.unpark();
  }

  /** Calls the exchange failed, by the server's doing. */
  breakOff(reason: UnavailableReason, detail: string, cause?: unknown): void {
    if (this.ended !== undefined) return;
    const idle = this.exchange === undefined && this.openWaiter === undefined;
    this.stale = reason === 'closed' && this.exchanges > 0 && (idle || (this.exchanges > 1 && !this.heard));
    const error = new DataServerUnavailable(
      this.address,
      this.openWaiter === undefined ? reason : 'unreachable',
      detail,
      { mayHaveHappened: this.exchange !== undefined && this.mayHaveHappened, cause },
    );
    // A sound server, too, cuts off a body whose bytes turn out to be damaged.
    const isCutBody = reason === 'closed' && this.body !== undefined;
    this.end(error);
    if (!idle && !this.stale && !isCutBody) this.options.onFailure(error);
  }

  /** Closes at once, whatever is in flight; it counts against nobody. */
  close(): void {
    this.end(new DataServerUnavailable(this.address, 'closed', 'was left by us'));
  }

  /** Closes; what waits rejects with the error. */
  end(error: unknown): void {
    if (this.ended !== undefined) return;
    this.ended = { error };
    this.rest();
    this.exchange?.signal?.removeEventListener('abort', this.onAbort);
    this.socket.destroy();
    if (!this.sinkHolds) this.buffers.giveAllBack();
    for (const waiter of [this.openWaiter, this.answerWaiter, this.writeWaiter, this.bodyWaiter]) waiter?.reject(error);
    this.options.onClosed(this);
  }

  expire(): void {
    const { connectMs, stallMs } = this.options;
    switch (this.awaited) {
      case 'connection':
        return this.breakOff('timeout', `took no connection within ${connectMs} ms`);
      case 'body':
        return this.breakOff('timeout', `sent none of an object for ${stallMs} ms`);
      case 'room':
        return this.breakOff('timeout', `took none of an object for ${stallMs} ms`);
      case 'piece':
        return this.signLife();
      case 'answer':
        if (this.onSilence === undefined) return this.breakOff('timeout', 'did not answer in time');
        this.deadlineMs = Infinity;
        return this.onSilence();
    }
  }

  private readonly onAbort = (): void => this.end(this.exchange?.signal?.reason);

  private await(awaited: Awaited, timeoutMs: number): void {
    this.awaited = awaited;
    this.deadlineMs = performance.now() + timeoutMs;
    this.options.deadlines.add(this);
  }

  private awaitPiece(): undefined {
    if (this.ended === undefined) this.await('piece', this.options.stallMs / SIGNS_PER_STALL);
  }

  /** Else the server would take an upload whose bytes are late for one whose client has gone. */
  private signLife(): void {
    if (this.socket.writableLength === 0) this.send([encodeEmpty(FRAMES.alive, this.exchangeNumber)]);
    this.awaitPiece();
  }

  private rest(): void {
    this.deadlineMs = Infinity;
    this.options.deadlines.remove(this);
  }

  private send(parts: readonly Buffer[]): void {
    if (parts.length > 1) this.socket.cork();
    for (const part of parts) this.socket.write(part, this.onWritten);
    if (parts.length > 1) this.socket.uncork();
  }

  /** What failed to be written is left to the socket's `error`. */
  private readonly onWritten = (error?: Error | null): void => {
    if (error != null || this.writeWaiter === undefined || this.socket.writableLength > 0) return;
    this.awaitPiece();
    this.writeWaiter.resolve();
    this.writeWaiter = undefined;
  };

  /** Returns whether the socket shall go on reading. */
  private onRead(bytes: number): boolean {
    this.heard = true;
    this.inRead = true;
    if (this.buffers.isInPlace) this.takePlaced(bytes);
    else this.parser.feed(this.buffers.target.subarray(0, bytes));
    const canReadOn = this.advance();
    this.inRead = false;
    return canReadOn;
  }

  /** Called by the socket after each onRead, for what the next bytes are read into. */
  private chooseBuffer(): Buffer {
    if (this.ended !== undefined) return this.buffers.target;
    const toReceive = this.parser.dataToReceive;
    const buffer = this.buffers.choose(toReceive, this.body?.place(toReceive));
    if (this.exchange === undefined) this.buffers.giveBack();
    return buffer;
  }

  private unpark(): void {
    if (!this.isParked) return;
    this.isParked = false;
    this.resume();
  }

  private resume(): void {
    if (this.ended !== undefined) return this.buffers.giveAllBack();
    if (!this.advance() || this.ended !== undefined) return;
    this.socket.resume();
  }

  /** Handles what has been read, until more is needed (true) or somebody holds it (false). */
  private advance(): boolean {
    try {
      return this.phase === 'upgrading' ? this.takeResponse() : this.handleEvents();
    } catch (error) {
      if (error instanceof MalformedFrame) {
        this.breakOff('malformed', `sent what is not of the protocol: ${error.message}`, error);
      } else if (error instanceof HandshakeRefused) {
        const refusal = new DataServerUnavailable(this.address, error.reason, error.message);
        if (error.isForNow) this.options.onAnswer();
        this.end(refusal);
        if (!error.isForNow) this.options.onFailure(refusal);
      } else {
        this.end(error);
      }
      return false;
    }
  }

  private takeResponse(): boolean {
    const behind = this.handshake.takeResponse(this.parser.takeUnread());
    if (behind === undefined) return true;
    this.phase = 'introducing';
    this.parser.feed(behind);
    return this.handleEvents();
  }

  private handleEvents(): boolean {
    while (this.ended === undefined && !this.isParked) {
      switch (this.parser.next()) {
        case 'need-input':
          if (this.body !== undefined) this.await('body', this.options.stallMs);
          return true;
        case 'frame':
          if (!this.takeFrame()) return false;
          break;
        case 'data':
          if (!this.takeData(this.parser.data)) return false;
          break;
      }
    }
    return false;
  }

  /** Returns whether there may be more to handle. */
  private takeFrame(): boolean {
    const { type, payload, exchange } = this.parser;
    if (this.phase === 'introducing') return this.introduce();
    if (type === FRAMES.goAway) return this.prepareToLeave();
    if (this.exchange === undefined || exchange !== this.exchangeNumber) {
      throw new MalformedFrame(`a frame of type ${type} answers nothing`);
    }
    if (this.body !== undefined) return this.endBody(this.body);
    this.options.onAnswer();
    this.takeAnswer(decodeAnswer(type, payload));
    return true;
  }

  private introduce(): boolean {
    const reply = this.handshake.takeFrame(this.parser.type, this.parser.payload);
    if (reply !== undefined) {
      this.socket.write(reply);
      return true;
    }
    this.phase = 'open';
    this.rest();
    this.openWaiter?.resolve(this);
    this.openWaiter = undefined;
    return true;
  }

  private prepareToLeave(): boolean {
    this.isLeaving = true;
    if (this.exchange !== undefined) return true;
    // Whoever has been given this connection in this moment is to take another.
    this.stale = true;
    this.close();
    return false;
  }

  private takeAnswer(answer: Answer): void {
    switch (answer.kind) {
      case 'found':
        if (answer.bytes === undefined) return this.beginBody(answer);
        break;
      case 'proceed':
        this.hasProceeded = true;
        this.deliver(answer);
        return this.awaitPiece();
      case 'entries':
        this.isParked = true;
        return this.deliver(answer);
    }
    this.deliver(answer);
    this.endExchange();
  }

  private deliver(answer: Answer): void {
    const waiter = this.answerWaiter;
    this.answerWaiter = undefined;
    this.deadlineMs = Infinity;
    if (waiter === undefined) this.unclaimed = answer;
    else waiter.resolve(answer);
    this.writeWaiter?.resolve();
    this.writeWaiter = undefined;
  }

  private beginBody(answer: Answer & { kind: 'found' }): void {
    this.body = new IncomingBody(answer.found);
    if (this.body.collected !== undefined) return;
    this.isParked = true;
    this.deliver(answer);
  }

  private takePlaced(bytes: number): void {
    this.parser.passData(bytes);
    this.parser.feed(EMPTY);
    this.body?.placed(bytes);
    this.endIfComplete();
  }

  /** Returns whether the sink can take more at once. */
  private takeData(piece: Buffer): boolean {
    const { body } = this;
    if (body === undefined || this.parser.exchange !== this.exchangeNumber) {
      throw new MalformedFrame('data came that answer nothing');
    }
    return this.feed(() => body.take(piece));
  }

  /** The frame behind a body: its checksum, or why there is no more of it. */
  private endBody(body: IncomingBody): boolean {
    const { type, payload } = this.parser;
    if (type === FRAMES.sum) return this.feed(() => body.verify(decodeSum(payload)));
    if (type !== FRAMES.error) throw new MalformedFrame(`a frame of type ${type} is in the middle of an object`);
    const refusal = refusalOfFailure(this.address, decodeFailure(payload));
    this.answerWaiter?.reject(refusal);
    this.bodyWaiter?.reject(refusal);
    this.answerWaiter = undefined;
    this.bodyWaiter = undefined;
    this.endExchange();
    return true;
  }

  private feed(take: () => Promise<void> | undefined): boolean {
    let held: Promise<void> | undefined;
    try {
      held = take();
    } catch (error) {
      if (error instanceof MalformedFrame || !this.dropBody(error)) throw error;
    }
    if (held === undefined) {
      this.endIfComplete();
      return true;
    }
    this.deadlineMs = Infinity;
    this.sinkHolds = true;
    held.then(this.onTaken, this.onSinkFailure);
    return false;
  }

  private readonly onTaken = (): void => {
    this.sinkHolds = false;
    this.endIfComplete();
    this.resume();
  };

  private readonly onSinkFailure = (error: unknown): void => {
    this.sinkHolds = false;
    if (this.ended === undefined && this.dropBody(error)) this.endIfComplete();
    this.resume();
  };

  /** Whether so little is left that it is read and dropped; else the connection is closed. */
  private dropBody(error: unknown): boolean {
    const { body, bodyWaiter } = this;
    if (body === undefined || body.remaining > DRAINED_BODY_BYTES) {
      this.end(error);
      return false;
    }
    body.sink = DROP;
    this.bodyWaiter = undefined;
    bodyWaiter?.reject(error);
    return true;
  }

  private endIfComplete(): void {
    const { body } = this;
    if (body === undefined || !body.isComplete) return;
    if (body.collected !== undefined) this.deliver({ kind: 'found', found: body.found, bytes: body.collected });
    this.bodyWaiter?.resolve();
    this.bodyWaiter = undefined;
    this.endExchange();
  }

  private endExchange(): void {
    const ownsTarget = this.inRead || this.buffers.isOwn;
    const isCutUpload = this.hasProceeded && !this.mayHaveHappened;
    const isReusable = !this.isLeaving && !isCutUpload && this.parser.unread === 0 && ownsTarget;
    this.rest();
    this.exchange?.signal?.removeEventListener('abort', this.onAbort);
    this.exchange = undefined;
    this.body = undefined;
    if (!isReusable) return this.close();
    if (!this.inRead) this.buffers.giveBack();
    this.options.onIdle(this);
  }
}
