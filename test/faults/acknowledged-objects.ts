import { createHash, randomBytes } from 'node:crypto';
import { del, get, problemCode, put, type Answer } from '../harness/http.js';
import { inParallel } from '../harness/in-parallel.js';
import { waitUntil } from '../harness/wait-until.js';

export interface AcknowledgedOptions {
  writers: number;
  /** Most are overwritten and deleted again and again. */
  namesPerWriter: number;
  /** Of bodies. */
  sizes: readonly number[];
}

/** What may be there: digests of bodies, or ABSENT. The last acknowledged state, and what was in flight since. */
type Allowed = ReadonlySet<string>;
const ABSENT = 'absent';
const READERS = 8;
const DATABASE_DEADLINE_MS = 2_000;

/**
 * Objects that writers put, overwrite and delete while something fails, and what must be found afterwards:
 * what was acknowledged, byte for byte; of what was not, the old or the new.
 */
export class AcknowledgedObjects {
  writes = 0;
  deletes = 0;
  comparisons = 0;
  /** Changes that ended without an acknowledgement. */
  open = 0;
  /** Those of them that the database was late for. */
  late = 0;
  /** Acknowledged objects that were missing, old, or other than both, in words. */
  readonly lost: string[] = [];
  readonly #states = new Map<string, Allowed>();

  constructor(private readonly options: AcknowledgedOptions) {}

  /**
   * Until the signal; an answer that arrives after it counts as none. `url` is asked before each change.
   * Rejects when an answer is neither an acknowledgement nor one that `mayFail` allows.
   */
  async writeUntil(
    ended: AbortSignal,
    url: (writer: number) => string,
    mayFail: (answer: Answer | undefined) => boolean = () => false,
  ): Promise<void> {
    const write = async (writer: number): Promise<void> => {
      while (!ended.aborted) {
        const name = `writer-${writer}-${Math.floor(Math.random() * this.options.namesPerWriter)}`;
        await this.#change(name, url(writer), ended, mayFail);
      }
    };
    await Promise.all(Array.from({ length: this.options.writers }, (_, writer) => write(writer)));
  }

  /** Resolves when so many writes were acknowledged; rejects after 30 s. */
  async untilWritten(writes: number): Promise<void> {
    await waitUntil(`${writes} writes are acknowledged`, 30_000, () => this.writes >= writes);
  }

  /** What is there now is the state from which the next writers go on. */
  async compare(url: string): Promise<void> {
    await inParallel(this.#states, READERS, async ([name, allowed]) => {
      const found = await get(`${url}/objects/${name}`).then(stateOf, (error: unknown) => String(error));
      this.comparisons++;
      if (!allowed.has(found)) this.lost.push(`${name}: found ${found}, expected ${[...allowed].join(' or ')}`);
      this.#states.set(name, new Set([found]));
    });
  }

  toString(): string {
    return (
      `${this.writes} writes and ${this.deletes} deletes acknowledged, ${this.open} left open (${this.late} by a late database), ` +
      `${this.comparisons} comparisons, ${this.lost.length} lost`
    );
  }

  async #change(
    name: string,
    url: string,
    ended: AbortSignal,
    mayFail: (answer: Answer | undefined) => boolean,
  ): Promise<void> {
    const before = this.#states.get(name) ?? new Set([ABSENT]);
    const { sizes } = this.options;
    const removes = Math.random() < 0.2;
    const body = randomBytes(sizes[Math.floor(Math.random() * sizes.length)] ?? 0);
    const after = removes ? ABSENT : digest(body);
    this.#states.set(name, new Set([...before, after]));
    const object = `${url}/objects/${name}`;
    const answer = await (removes ? del(object) : put(object, body)).catch(() => undefined);
    if (ended.aborted) {
      this.open++;
      return;
    }
    if (answer?.status === 200) this.writes++;
    else if (answer?.status === 204) this.deletes++;
    else if (answer?.status !== 404) {
      if (!mayFail(answer)) throw new Error(`${name}: ${answer?.status ?? 'no answer'} ${answer?.body.toString()}`);
      this.open++;
      if (isLateDatabase(answer)) this.late++;
      return;
    }
    this.#states.set(name, new Set([after]));
  }
}

/**
 * The disk of the database took longer over a sync than a request waits for it (row 30): a refusal that leaves open
 * whether it will be found committed. One that comes sooner is none of these.
 */
export function isLateDatabase(answer: Answer | undefined): boolean {
  return (
    answer?.status === 503 && problemCode(answer) === 'metadata-unavailable' && answer.ms > DATABASE_DEADLINE_MS / 2
  );
}

function stateOf({ status, body }: Answer): string {
  if (status === 200) return digest(body);
  return status === 404 ? ABSENT : `status ${status}`;
}

function digest(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 16);
}
