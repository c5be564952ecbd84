import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { GranaryError } from '#contracts';
import { startDeadline, type Cancel } from '#time';
import { DEADLINE_MS } from '../engine.js';
import type { ChangeName } from '../operations/index.js';
import type {
  CommitAnswer,
  CommitFailure,
  CommitGroup,
  CommitOutcome,
  CommitThreadData,
  GroupedChange,
} from './commit-messages.js';

/** As many changes become one commit at most: a group must be short beside the deadline. */
const MAX_GROUP = 256;
/** Changes that wait, beyond which a new one is refused. */
const MAX_WAITING = 10_000;
const RESTART_DELAY_MS = 500;

export interface CommitQueueOptions {
  path: string;
  /** Options of Node for the thread; for tests that run from the sources. */
  execArgv?: readonly string[];
  /** For each change. DEADLINE_MS unless told; for tests, which may run where a sync takes seconds. */
  deadlineMs?: number;
}

interface Waiting extends GroupedChange {
  resolve(result: unknown): void;
  reject(error: GranaryError): void;
  sinceMs: number;
  cancelDeadline: Cancel;
}

/**
 * Group commit: what arrives while the thread commits is the next group. Each change is answered within the
 * deadline, whatever the disk and other processes do, but for pauses of this process.
 */
export class CommitQueue {
  #waiting: Waiting[] = [];
  #sent = new Map<number, Waiting>();
  #thread: Worker | undefined;
  #isBusy = false;
  #isSendingSoon = false;
  #isClosed = false;
  #nextId = 1;
  #restart: NodeJS.Timeout | undefined;
  readonly #deadlineMs: number;

  constructor(private readonly options: CommitQueueOptions) {
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  }

  /** Opens and migrates the file. Throws what the thread refuses with. */
  async open(): Promise<void> {
    const thread = new Worker(new URL('./commit-thread.js', import.meta.url), {
      name: 'metadata commits',
      workerData: { path: this.options.path, deadlineMs: this.#deadlineMs } satisfies CommitThreadData,
      ...(this.options.execArgv === undefined ? {} : { execArgv: [...this.options.execArgv] }),
    });
    const [answer] = (await once(thread, 'message')) as [CommitAnswer];
    if ('refused' in answer || this.#isClosed) {
      await thread.terminate();
      if ('refused' in answer) throw errorOf(answer.refused);
      return;
    }
    thread.on('message', (answer: CommitAnswer) => this.#settle('outcomes' in answer ? answer.outcomes : []));
    // The exit follows.
    thread.on('error', () => undefined);
    thread.on('exit', () => this.#threadEnded(thread));
    thread.unref();
    this.#thread = thread;
    this.#send();
  }

  run(name: ChangeName, args: unknown): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(unavailable('it is closed'));
    if (this.#waiting.length >= MAX_WAITING) return Promise.reject(unavailable(`${MAX_WAITING} changes wait already`));
    return new Promise((resolve, reject) => {
      const id = this.#nextId;
      this.#nextId += 1;
      this.#waiting.push({
        id,
        name,
        args,
        resolve,
        reject,
        sinceMs: performance.now(),
        cancelDeadline: this.#startDeadline(id),
      });
      this.#sendSoon();
    });
  }

  /** Changes that were asked for are answered first. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#restart);
    while (this.#waiting.length + this.#sent.size > 0 || this.#isBusy)
      await new Promise(resolve => setTimeout(resolve, 5));
    const thread = this.#thread;
    this.#thread = undefined;
    if (thread === undefined) return;
    const ended = once(thread, 'exit');
    // The process waits for it.
    thread.ref();
    thread.postMessage('close');
    await ended;
  }

  /** Those of the same turn of the event loop go together. */
  #sendSoon(): void {
    if (this.#isBusy || this.#isSendingSoon) return;
    this.#isSendingSoon = true;
    setImmediate(() => {
      this.#isSendingSoon = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#isBusy || this.#thread === undefined || this.#waiting.length === 0) return;
    const group = this.#waiting.splice(0, MAX_GROUP);
    for (const change of group) {
      this.#renewIfLate(change);
      this.#sent.set(change.id, change);
    }
    const changes = group.map(({ id, name, args }) => ({ id, name, args }));
    try {
      this.#thread.postMessage({ changes } satisfies CommitGroup);
      this.#isBusy = true;
    } catch (error) {
      // An argument that cannot be sent.
      for (const { id } of group) this.#take(id)?.reject(unavailable(String(error)));
    }
  }

  #settle(outcomes: readonly CommitOutcome[]): void {
    this.#isBusy = false;
    this.#send();
    for (const outcome of outcomes) {
      const change = this.#take(outcome.id);
      if (change === undefined) continue;
      if ('failure' in outcome) change.reject(errorOf(outcome.failure));
      else change.resolve(outcome.result);
    }
  }

  #take(id: number): Waiting | undefined {
    const change = this.#sent.get(id);
    this.#sent.delete(id);
    change?.cancelDeadline();
    return change;
  }

  #startDeadline(id: number): Cancel {
    return startDeadline(this.#deadlineMs, () => this.#giveUp(id));
  }

  /** A pause of this process may be why it is sent late, and then it is not given up at once. */
  #renewIfLate(change: Waiting): void {
    if (performance.now() - change.sinceMs < this.#deadlineMs) return;
    change.cancelDeadline();
    change.cancelDeadline = this.#startDeadline(change.id);
  }

  #giveUp(id: number): void {
    const index = this.#waiting.findIndex(change => change.id === id);
    const change = index === -1 ? this.#take(id) : this.#waiting.splice(index, 1)[0];
    change?.reject(unavailable(`it did not commit within ${this.#deadlineMs} ms`));
  }

  #threadEnded(thread: Worker): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    this.#isBusy = false;
    for (const id of this.#sent.keys()) this.#take(id)?.reject(unavailable('its thread ended'));
    this.#reopen();
  }

  #reopen(): void {
    if (this.#isClosed) return;
    this.#restart = setTimeout(() => void this.open().catch(() => this.#reopen()), RESTART_DELAY_MS).unref();
  }
}

function unavailable(why: string): GranaryError {
  return new GranaryError('metadata-unavailable', `The metadata database cannot take the change: ${why}.`);
}

function errorOf({ code, message }: CommitFailure): GranaryError {
  return new GranaryError(code, message);
}
