import { startDeadline, type Cancel } from '#time';
import { DataServerUnavailable, type UnavailableReason } from '../../data-server-unavailable.js';
import type { Answer } from './answer.js';
import { encodePutAll, type WholePut } from '../codec/batch-frames.js';
import { BATCH_LIMITS } from '../codec/frame-types.js';
import { encodePut } from '../codec/request-frames.js';
import { refusalOfAnswer } from './failure.js';
import type { FrameClient } from './frame-client.js';

/** A put, and what is known of it beside its bytes. */
export interface BatchedPut extends WholePut {
  /** Done twice it is as if done once. */
  isRepeatable: boolean;
  signal?: AbortSignal | undefined;
}

interface WaitingPut extends BatchedPut {
  sinceMs: number;
  isOver: boolean;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
  onAbort: () => void;
}

const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** What a waiting put takes beside its body. */
const OVERHEAD_BYTES = 1024;

/**
 * The small puts to one server. Those that come while others are on their way go together when these
 * have been answered: with many at once, a server is woken, and syncs its disk, once for all of them.
 * No more than 16 MiB wait, and none for longer than `waitMs`; who is turned away is as if the server
 * could not be reached.
 */
export class PutBatches {
  private waiting: WaitingPut[] = [];
  private waitingBytes = 0;
  private isRunning = false;
  private cancelDeadline: Cancel | undefined;

  constructor(
    private readonly client: FrameClient,
    private readonly waitMs: number,
  ) {}

  /** Resolves to `stored` or `error`. A signal gives up the answer; what has been sent may be stored. */
  put({ request, body, isRepeatable, signal }: BatchedPut): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.giveUp(waiting);
      const sinceMs = performance.now();
      const isOver = false;
      // Field by field: a copy would have a hidden class of its own each time, and each put makes three.
      const waiting: WaitingPut = { request, body, isRepeatable, signal, sinceMs, isOver, resolve, reject, onAbort };
      if (signal?.aborted) return reject(signal.reason);
      if (this.waitingBytes + costOf(waiting) > MAX_WAITING_BYTES) return reject(this.turnedAway('has too much to do'));
      signal?.addEventListener('abort', onAbort);
      this.waiting.push(waiting);
      this.waitingBytes += costOf(waiting);
      this.cancelDeadline ??= startDeadline(this.waitMs, this.turnAwayLate);
      this.start();
    });
  }

  private start(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    // Those of the same turn of the event loop go together.
    setImmediate(() => void this.run());
  }

  private async run(): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- one batch after another is what gathers them
    while (this.waiting.length > 0) await this.send(this.takeBatch());
    this.isRunning = false;
  }

  /** Puts that may be repeated are not held back by one that may not. */
  private takeBatch(): WaitingPut[] {
    const { puts, bytes, fieldBytes } = BATCH_LIMITS;
    const isRepeatable = this.waiting[0]?.isRepeatable;
    let count = 0;
    let body = 0;
    let fields = 0;
    for (const put of this.waiting) {
      body += put.body.length;
      fields += fieldsBound(put);
      const isTooMuch = count === puts || body > bytes || fields > fieldBytes || put.isRepeatable !== isRepeatable;
      if (count > 0 && isTooMuch) break;
      count += 1;
    }
    return this.take(count);
  }

  private async send(batch: readonly WaitingPut[]): Promise<void> {
    let sent = batch;
    // Encoded only when a connection is there: what was given up until then is not sent.
    const request = (exchange: number): Buffer[] => [encode((sent = batch.filter(put => !put.isOver)), exchange)];
    const isRepeatable = batch.every(put => put.isRepeatable);
    try {
      const { answer } = await this.client.write({ kind: 'write', request }, isRepeatable);
      const answers = this.answersOf(answer, sent.length);
      sent.forEach((put, index) => end(put).resolve(answers[index] as Answer));
    } catch (error) {
      for (const put of batch) end(put).reject(error);
      // No better awaits those behind, and each of them may turn to another server at once.
      if (error instanceof DataServerUnavailable && HOPELESS.has(error.reason)) this.refuseAll(error);
    }
  }

  private answersOf(answer: Answer, count: number): readonly Answer[] {
    if (count === 1) return [answer];
    if (answer.kind === 'outcomes' && answer.outcomes.length === count) return answer.outcomes;
    throw refusalOfAnswer(this.client.address, answer);
  }

  /** Nothing of them was sent, whatever became of those before. */
  private refuseAll({ reason, message }: DataServerUnavailable): void {
    const { address } = this.client;
    const refusal = new DataServerUnavailable(address, reason, `was waited for in vain (${message})`);
    for (const put of this.take(this.waiting.length)) end(put).reject(refusal);
  }

  private readonly turnAwayLate = (): void => {
    this.cancelDeadline = undefined;
    const before = performance.now() - this.waitMs;
    const late = this.waiting.findIndex(({ sinceMs }) => sinceMs > before);
    const refusal = this.turnedAway(`left a write waiting for ${this.waitMs} ms`);
    for (const put of this.take(late === -1 ? this.waiting.length : late)) end(put).reject(refusal);
    const [next] = this.waiting;
    if (next !== undefined) this.cancelDeadline = startDeadline(next.sinceMs - before, this.turnAwayLate);
  };

  private turnedAway(detail: string): DataServerUnavailable {
    return new DataServerUnavailable(this.client.address, 'unreachable', detail);
  }

  private giveUp(put: WaitingPut): void {
    const at = this.waiting.indexOf(put);
    if (at !== -1) {
      this.waiting.splice(at, 1);
      this.waitingBytes -= costOf(put);
    }
    end(put).reject(put.signal?.reason);
  }

  /** The first of those that wait. */
  private take(count: number): WaitingPut[] {
    const taken = this.waiting.splice(0, count);
    for (const put of taken) this.waitingBytes -= costOf(put);
    if (this.waiting.length === 0) {
      this.cancelDeadline?.();
      this.cancelDeadline = undefined;
    }
    return taken;
  }
}

/** Who comes next would find the same. */
const HOPELESS: ReadonlySet<UnavailableReason> = new Set(['unreachable', 'timeout']);

function encode(puts: readonly WaitingPut[], exchange: number): Buffer {
  const [only] = puts;
  return only !== undefined && puts.length === 1
    ? encodePut(only.request, only.body, exchange)
    : encodePutAll(puts, exchange);
}

function end(put: WaitingPut): WaitingPut {
  put.isOver = true;
  put.signal?.removeEventListener('abort', put.onAbort);
  return put;
}

function costOf({ body }: BatchedPut): number {
  return body.length + OVERHEAD_BYTES;
}

const FIXED_FIELD_BYTES = 256;

/** The most that what goes with the body can take. */
function fieldsBound({ request: { key, options } }: WholePut): number {
  const { attributes, precondition } = options;
  const texts =
    attributes === undefined && precondition === undefined ? '' : JSON.stringify([attributes, precondition]);
  return FIXED_FIELD_BYTES + 3 * (key.length + texts.length);
}
