import { setTimeout as sleep } from 'node:timers/promises';
import { GranaryError, toObjectName } from '#contracts';
import { eachVersion, NATIVE_BUCKET, type MetadataStore } from '#metadata';
import { putRequest } from '#metadata/testing';
import { stopwatch } from '../harness/stopwatch.js';
import { BlockWatch } from './block-watch.js';

/** What happened to the commits of a load. */
export interface LoadResult {
  acknowledged: Set<string>;
  /** Codes of the errors on the way, as often as they came. */
  errors: Map<string, number>;
  /** Without the pauses of the machine. */
  slowestMs: number;
}

/**
 * Writers and readers, each in a loop, until `stop`. A commit that fails is sent again, under its id, until
 * it is acknowledged: as a client that does not know what happened.
 */
export class MetadataLoad {
  readonly result: LoadResult = { acknowledged: new Set(), errors: new Map(), slowestMs: 0 };
  readonly #watch = new BlockWatch();
  readonly #loops: Promise<void>[];
  #isStopping = false;
  #acknowledgedAtMs = 0;

  constructor(
    private readonly store: MetadataStore,
    private readonly name: string,
    workers = 8,
  ) {
    this.#loops = Array.from({ length: workers }, (_, worker) => this.#write(worker));
    this.#loops.push(this.#read());
  }

  /** When the last commit was acknowledged. */
  get acknowledgedAtMs(): number {
    return this.#acknowledgedAtMs;
  }

  /** Of the event loop, by what ran on it. */
  get longestBlockMs(): number {
    return this.#watch.longestMs;
  }

  async stop(): Promise<LoadResult> {
    this.#isStopping = true;
    await Promise.all(this.#loops);
    await this.#watch.stop();
    return this.result;
  }

  async #write(worker: number): Promise<void> {
    for (let index = 0; !this.#isStopping; index += 1) {
      const key = `${this.name}/${worker}/${index}`;
      // Of 100 contents, so that references are counted as well.
      const request = putRequest(NATIVE_BUCKET, toObjectName(key), `content ${index % 100}`, {
        precondition: { ifNoneMatch: '*' },
      });
      while (!(await this.#timed(() => this.store.commitPut(request)))) await sleep(20);
      this.result.acknowledged.add(key);
      this.#acknowledgedAtMs = performance.now();
    }
  }

  async #read(): Promise<void> {
    while (!this.#isStopping) {
      const key = [...this.result.acknowledged].at(-1) ?? 'nothing yet';
      await this.#timed(async () => {
        const found = await this.store.find({ bucket: NATIVE_BUCKET, key: toObjectName(key) });
        if (found === undefined && key !== 'nothing yet') throw new Error(`${key} was acknowledged and is not there`);
      });
      await sleep(5);
    }
  }

  async #timed(operation: () => Promise<unknown>): Promise<boolean> {
    const [startedMs, pausedMs, elapsedMs] = [performance.now(), this.#watch.pausedMs, stopwatch()];
    try {
      await operation();
      return true;
    } catch (error) {
      const code = error instanceof GranaryError ? error.code : String(error);
      this.result.errors.set(code, (this.result.errors.get(code) ?? 0) + 1);
      return false;
    } finally {
      const tookMs = performance.now() - startedMs - (this.#watch.pausedMs - pausedMs);
      // The stopwatch also knows of pauses of this thread alone, and takes what blocks it for one: that is `longestBlockMs`.
      this.result.slowestMs = Math.max(this.result.slowestMs, Math.min(tookMs, elapsedMs()));
    }
  }
}

/** Every version of the native bucket under the prefix, by key; more than one of a key is a double commit. */
export async function versionsUnder(store: MetadataStore, prefix: string): Promise<Map<string, number>> {
  const versions = new Map<string, number>();
  for await (const entry of eachVersion(store, { bucket: NATIVE_BUCKET, prefix })) {
    if (entry.kind !== 'prefix') versions.set(entry.key, (versions.get(entry.key) ?? 0) + 1);
  }
  return versions;
}
