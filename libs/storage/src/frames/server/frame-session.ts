import type { Socket } from 'node:net';
import { GranaryError } from '#contracts';
import { StallWatch, unlessHeard } from '#time';
import { breakConnection } from '../../break-connection.js';
import { DamagedTransfer } from '../../damaged-transfer.js';
import type { ShardInfo } from '../../shard-store.js';
import { encodeEmpty, encodeFailure, encodeInfo, encodeRemoved } from '../codec/answer-frames.js';
import { decodePutAll } from '../codec/batch-frames.js';
import { FrameParser } from '../codec/frame-parser.js';
import { BATCH_LIMITS, FRAMES, MalformedFrame, type Space } from '../codec/frame-types.js';
import {
  decodeCommit,
  decodeCreate,
  decodeGet,
  decodeList,
  decodePut,
  decodeRemove,
  decodeStat,
  type CommitRequest,
} from '../codec/request-frames.js';
import { answerGet } from './answer-get.js';
import { answerList } from './answer-list.js';
import { answerPuts } from './answer-put.js';
import type { Operation, ServedStore, SessionOptions } from './endpoint-options.js';
import { IncomingStream, IncomingWhole } from './incoming-put.js';
import { ClientGone, Outgoing } from './outgoing.js';
import { ServerHandshake } from './server-handshake.js';

const EMPTY = Buffer.alloc(0);
const LINGER_MS = 2_000;
const LINGER_BYTES = 8 * 1024 * 1024;

/**
 * `handshake`: the client has not introduced itself. `idle`: a request may come. `receiving`: the body
 * of one. `answering`: what comes waits. `ended`: what comes is thrown away.
 */
type Phase = 'handshake' | 'idle' | 'receiving' | 'answering' | 'ended';

/**
 * One connection of the frame protocol at the data server: one request after another. What is no
 * request, or not in turn, gets an `error` frame and the end of the connection; what a store refuses
 * gets an `error` frame. A client that goes leaves nothing of what it was sending.
 */
export class FrameSession {
  private readonly parser = new FrameParser();
  private readonly out: Outgoing;
  private readonly handshake: ServerHandshake;
  private readonly handshakeTimer: NodeJS.Timeout;
  private phase: Phase = 'handshake';
  private isGoingAway = false;
  /** A piece is with the store: nothing more is read until it has taken it. */
  private isHeld = false;
  private body: IncomingWhole | IncomingStream | undefined;
  /** What was read last, until it is dropped. */
  private chunk: Buffer | undefined;

  private operation: Operation = 'PING';
  private exchange = 0;
  private beganMs = 0;
  private idleSinceMs = performance.now();
  private readonly stall: StallWatch;
  private discardedBytes = 0;

  constructor(
    private readonly socket: Socket,
    head: Buffer,
    private readonly options: SessionOptions,
  ) {
    this.out = new Outgoing(socket);
    this.stall = new StallWatch(options.stallTimeoutMs);
    this.handshake = new ServerHandshake(options);
    this.handshakeTimer = setTimeout(
      () => this.refuse(tooSlow('did not introduce itself')),
      options.handshakeTimeoutMs,
    );
    // Those of HTTP would end what looks idle to it.
    socket.removeAllListeners('timeout');
    socket.on('timeout', () => unlessHeard(socket, () => this.onQuiet()));
    socket.setTimeout(this.stall.checkMs);
    socket.on('close', () => this.onClose());
    // What follows is the close.
    socket.on('error', () => {});
    socket.on('end', () => socket.destroy());
    socket.on('data', chunk => this.onData(chunk));
    socket.write(this.handshake.opening);
    if (head.length > 0) this.onData(head);
    socket.resume();
  }

  get isBusy(): boolean {
    return this.phase === 'receiving' || this.phase === 'answering' || this.out.isBlocked;
  }

  /** Asks the client to leave, once it has its answer. */
  goAway(): void {
    if (this.isGoingAway) return;
    this.isGoingAway = true;
    if (this.phase === 'idle') this.sayGoAway();
  }

  destroy(): void {
    this.socket.destroy();
  }

  private sayGoAway(): void {
    this.out.send(encodeEmpty(FRAMES.goAway, 0));
  }

  private onData(chunk: Buffer): void {
    if (this.phase === 'ended') return this.discard(chunk);
    this.parser.feed(chunk);
    this.chunk = chunk;
    this.advance();
    if (!this.isHeld) this.dropChunk();
  }

  /** Of an upload nothing looks at it any more; whatever else is in it may. */
  private dropChunk(): void {
    const { chunk, body, parser } = this;
    const { chunks } = this.options;
    if (chunk === undefined || chunks === undefined) return;
    this.chunk = undefined;
    const isTaken = this.phase === 'receiving' && body instanceof IncomingStream && parser.unread === 0;
    if (!isTaken || !body.releasesChunks) return chunks.count(chunk.length);
    parser.feed(EMPTY);
    chunks.free(chunk);
  }

  private discard(chunk: Buffer): void {
    this.discardedBytes += chunk.length;
    if (this.discardedBytes > LINGER_BYTES) this.socket.destroy();
  }

  /** Handles what has been read, until more is needed, the store holds a piece, or a request is at work. */
  private advance(): void {
    try {
      while (!this.isHeld && this.phase !== 'ended') {
        if (this.phase === 'answering') return this.park();
        const event = this.parser.next();
        if (event === 'need-input') return;
        if (event === 'frame') this.takeFrame();
        else this.takePiece(this.parser.data);
      }
    } catch (error) {
      this.refuse(toRefusal(error));
    }
  }

  /** The client may have had the whole answer, and have sent its next request, before the store has put everything away. */
  private park(): void {
    if (this.parser.unread > 0) this.socket.pause();
  }

  private unpark(): void {
    this.advance();
    // What is parked again is not to be fed over.
    if (!this.isHeld && this.parser.unread === 0 && this.socket.isPaused()) this.socket.resume();
  }

  private takeFrame(): void {
    const { type, payload } = this.parser;
    if (this.phase === 'handshake') return this.takeHello();
    if (this.phase === 'idle') return this.begin();
    const { body } = this;
    const isInTurn = this.phase === 'receiving' && this.parser.exchange === this.exchange;
    const isOfUpload = isInTurn && body instanceof IncomingStream;
    // That it came is all it says: the socket's timer begins anew.
    if (isOfUpload && type === FRAMES.alive) return;
    if (!isOfUpload || type !== FRAMES.commit) {
      throw new MalformedFrame(`a frame of type ${type} is not in its turn`);
    }
    const request = decodeCommit(payload);
    // Goes on to its end, whatever becomes of the client.
    this.body = undefined;
    this.answer(async () => this.stored(await this.committed(body, request)));
  }

  private takeHello(): void {
    if (this.parser.type !== FRAMES.hello) throw new MalformedFrame('the client did not introduce itself');
    const answer = this.handshake.answer(this.parser.payload);
    if ('refused' in answer) {
      this.options.onRefused?.(answer.refused, this.socket.remoteAddress ?? 'unknown');
      return this.refuse(new GranaryError('unauthorized', `This connection is refused: ${answer.refused}.`));
    }
    clearTimeout(this.handshakeTimer);
    this.phase = 'idle';
    this.out.send(answer.welcome);
    if (this.isGoingAway) this.sayGoAway();
  }

  private begin(): void {
    const { type, payload } = this.parser;
    const { out } = this;
    this.exchange = this.parser.exchange;
    this.beganMs = performance.now();
    switch (type) {
      case FRAMES.get: {
        const request = decodeGet(payload);
        this.operation = 'GET';
        return this.answer(() => answerGet(out, this.exchange, this.storeOf(request.space), request));
      }
      case FRAMES.stat: {
        const { space, key } = decodeStat(payload);
        this.operation = 'STAT';
        return this.answer(async () => {
          const info = await this.storeOf(space).stat(key);
          const { notFound, described } = FRAMES;
          out.sendWithTurn(info ? encodeInfo(described, info, this.exchange) : encodeEmpty(notFound, this.exchange));
          return info ? 200 : 404;
        });
      }
      case FRAMES.remove: {
        const { space, key, options } = decodeRemove(payload);
        this.operation = 'REMOVE';
        return this.answer(async () => {
          const result = await this.storeOf(space).remove(key, options);
          out.send(encodeRemoved(result, this.exchange));
          return result.existed ? 200 : 404;
        });
      }
      case FRAMES.list: {
        const request = decodeList(payload);
        this.operation = 'LIST';
        return this.answer(() => answerList(out, this.exchange, this.storeOf(request.space), request));
      }
      case FRAMES.ping:
        this.operation = 'PING';
        return this.answer(async () => {
          out.send(encodeEmpty(FRAMES.pong, this.exchange));
          return 200;
        });
      case FRAMES.put:
        return this.receiveWhole(new IncomingWhole([decodePut(payload)], 'put', this.options.maxWholeBytes));
      case FRAMES.putAll:
        return this.receiveWhole(new IncomingWhole(decodePutAll(payload), 'putAll', BATCH_LIMITS.bytes));
      case FRAMES.create:
        return this.receiveStream(payload);
      default:
        throw new MalformedFrame(`a frame of type ${type} is no request`);
    }
  }

  private receiveWhole(body: IncomingWhole): void {
    this.operation = 'PUT';
    this.phase = 'receiving';
    this.body = body;
    if (body.isComplete) this.storeWhole(body);
  }

  private receiveStream(payload: Buffer): void {
    const { space, key, length, options } = decodeCreate(payload);
    this.operation = 'PUT';
    this.phase = 'answering';
    const createOptions = { ...options, ...(length !== undefined && { length }) };
    this.attempt(() => this.storeOf(space).create(key, createOptions)).then(
      writer => this.proceed(new IncomingStream(writer, length)),
      this.fail,
    );
  }

  private proceed(body: IncomingStream): void {
    if (this.phase === 'ended') return void body.abort();
    this.body = body;
    this.phase = 'receiving';
    this.out.send(encodeEmpty(FRAMES.proceed, this.exchange));
    this.unpark();
  }

  private takePiece(piece: Buffer): void {
    const { body } = this;
    if (this.phase !== 'receiving' || body === undefined || this.parser.exchange !== this.exchange) {
      throw new MalformedFrame('data came that belong to no request');
    }
    if (body instanceof IncomingStream) {
      const taking = body.take(piece);
      if (taking !== undefined) this.hold(taking);
      return;
    }
    body.take(piece);
    if (body.isComplete) this.storeWhole(body);
  }

  private hold(taken: Promise<void>): void {
    this.isHeld = true;
    this.socket.pause();
    taken.then(
      () => this.release(),
      (error: unknown) => {
        this.isHeld = false;
        if (this.phase !== 'ended') this.refuse(this.tell(error));
      },
    );
  }

  private release(): void {
    this.isHeld = false;
    this.unpark();
    if (!this.isHeld) this.dropChunk();
  }

  private storeWhole(body: IncomingWhole): void {
    const { out, exchange, storeOf, tell } = this;
    this.body = undefined;
    this.answer(() => answerPuts({ out, exchange, storeOf, tell }, body));
  }

  private async committed(body: IncomingStream, request: CommitRequest): Promise<ShardInfo> {
    try {
      return await body.commit(request);
    } catch (error) {
      await body.abort();
      throw error;
    }
  }

  private stored(info: Parameters<typeof encodeInfo>[1]): number {
    this.body = undefined;
    this.out.send(encodeInfo(FRAMES.stored, info, this.exchange));
    return 200;
  }

  private readonly storeOf = (space: Space): ServedStore => {
    const store = this.options.spaces[space];
    if (store === undefined) throw new GranaryError('request-malformed', `No ${space} are kept here.`);
    return store;
  };

  /** Runs what answers the request; it resolves to the status, or to those of a batch. */
  private answer(task: () => Promise<number | readonly number[]>): void {
    this.phase = 'answering';
    this.attempt(task).then(this.end, this.fail);
  }

  private attempt<T>(task: () => Promise<T>): Promise<T> {
    const refusal = this.options.refusal?.();
    if (refusal !== undefined) return Promise.reject(refusal);
    try {
      return task();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private readonly end = (outcome: number | readonly number[]): void => {
    const nowMs = performance.now();
    this.observe(outcome, (nowMs - this.beganMs) / 1000);
    if (this.phase !== 'answering') return;
    this.phase = 'idle';
    this.idleSinceMs = nowMs;
    if (this.isGoingAway) this.sayGoAway();
    if (this.parser.unread > 0) this.unpark();
  };

  private observe(outcome: number | readonly number[], seconds: number): void {
    const { observe } = this.options;
    if (typeof outcome === 'number') observe?.(this.operation, outcome, seconds);
    else for (const status of outcome) observe?.(this.operation, status, seconds);
  }

  private readonly fail = (error: unknown): void => {
    if (this.phase === 'ended' || error instanceof ClientGone) return;
    if (error instanceof MalformedFrame || error instanceof DamagedTransfer) return this.refuse(toRefusal(error));
    void this.answerFailure(this.tell(error));
  };

  /** Who hears of the failure finds nothing left behind. */
  private async answerFailure({ code, status, message }: GranaryError): Promise<void> {
    await this.abortBody();
    if (this.phase === 'ended') return;
    // Inside a data frame nothing can be said; a reset cannot be taken for its end.
    if (this.out.isInsideData) breakConnection(this.socket);
    else this.out.send(encodeFailure(code, message, this.exchange));
    this.end(status);
  }

  private readonly tell = (cause: unknown): GranaryError => {
    const error = toRefusal(cause);
    this.options.onFailure?.(this.operation, error);
    return error;
  };

  /** Says why, and closes once the client has had a chance to read it. */
  private refuse(error: GranaryError): void {
    if (this.phase === 'ended') return;
    const canSpeak = !this.out.isInsideData;
    this.phase = 'ended';
    clearTimeout(this.handshakeTimer);
    if (canSpeak) void this.sayWhy(error, this.parser.exchange);
    else breakConnection(this.socket);
  }

  private async sayWhy(error: GranaryError, exchange: number): Promise<void> {
    await this.abortBody();
    this.out.send(encodeFailure(error.code, error.message, exchange));
    this.socket.end();
    this.socket.resume();
    const timer = setTimeout(() => this.socket.destroy(), LINGER_MS);
    this.socket.once('close', () => clearTimeout(timer));
  }

  private onClose(): void {
    this.phase = 'ended';
    clearTimeout(this.handshakeTimer);
    void this.abortBody();
    this.out.close();
  }

  /** Never rejects. */
  private async abortBody(): Promise<void> {
    const { body } = this;
    this.body = undefined;
    if (body instanceof IncomingStream) await body.abort();
  }

  private onQuiet(): void {
    const { phase, socket, stall } = this;
    const { idleTimeoutMs } = this.options;
    if (phase === 'receiving' && !this.isHeld && stall.sendsNothing(socket.bytesRead)) {
      this.refuse(tooSlow('sent none of an object'));
    } else if (
      (phase === 'idle' && performance.now() - this.idleSinceMs > idleTimeoutMs) ||
      (phase === 'answering' && this.out.isBlocked && stall.takesNothing(socket.bytesWritten))
    ) {
      socket.destroy();
    } else {
      socket.setTimeout(stall.checkMs);
    }
  }
}

function tooSlow(what: string): GranaryError {
  return new GranaryError('request-timeout', `The client ${what} for too long.`);
}

/** Whatever is neither ours nor the client's to answer for is a bug or the machine's. */
function toRefusal(error: unknown): GranaryError {
  if (error instanceof GranaryError) return error;
  if (error instanceof MalformedFrame) return new GranaryError('request-malformed', `The client: ${error.message}.`);
  return new GranaryError('internal-error', 'An unexpected failure; the log has its details.', { cause: error });
}
