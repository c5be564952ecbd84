import { del, get, put, type Answer } from '../harness/http.js';
import type { Operation } from '../harness/linearizability.js';
import type { SeededRandom } from '../harness/seeded-random.js';

const SIZES = [100, 200_000];
/** A request that is not answered by then stays open. */
const TIMEOUT_MS = 15_000;

/** What many clients did to some names, and saw of them. */
export class RecordedHistory {
  readonly operations = new Map<string, Operation[]>();
  /** Bodies that nobody had written as they were read, in words. */
  readonly torn: string[] = [];
  answered = 0;
  #serial = 0;

  constructor(
    private readonly names: readonly string[],
    private readonly random: SeededRandom,
  ) {}

  /** One client's next operation, on a name of its choice. Never rejects. */
  async step(url: string): Promise<void> {
    const name = this.random.pick(this.names);
    const choice = this.random.next();
    const kind = choice < 0.45 ? 'read' : choice < 0.9 ? 'write' : 'delete';
    const value = kind === 'write' ? `body-${this.#serial++}` : undefined;
    const operation: Operation = { kind, value, calledMs: performance.now(), returnedMs: undefined };
    this.operations.set(name, [...(this.operations.get(name) ?? []), operation]);
    const answer = await this.#send(operation, `${url}/objects/${name}`).catch((error: unknown) => {
      if (isRefused(error)) this.#forget(name, operation);
    });
    if (answer === undefined || ![200, 204, 404].includes(answer.status)) return;
    operation.returnedMs = performance.now();
    this.answered++;
    if (kind === 'read' && answer.status === 200) operation.value = this.#valueOf(name, answer.body.toString());
  }

  #forget(name: string, operation: Operation): void {
    this.operations.set(
      name,
      (this.operations.get(name) ?? []).filter(other => other !== operation),
    );
  }

  #send({ kind, value = '' }: Operation, url: string): Promise<Answer> {
    if (kind === 'read') return within(get(url));
    return within(kind === 'delete' ? del(url) : put(url, value.padEnd(this.random.pick(SIZES), '.')));
  }

  #valueOf(name: string, body: string): string {
    const value = /^body-\d+/.exec(body)?.[0] ?? '';
    if (!SIZES.some(size => body === value.padEnd(size, '.'))) this.torn.push(`${name}: ${body.slice(0, 40)}`);
    return value;
  }
}

/** Nobody got it, so it never happened; each that may have makes the search for an order longer. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}

function within(answer: Promise<Answer>): Promise<Answer> {
  return Promise.race([
    answer,
    new Promise<never>((_, reject) => setTimeout(() => reject(new Error('no answer')), TIMEOUT_MS).unref()),
  ]);
}
