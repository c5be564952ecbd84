import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.js';
import { shardsOf } from './full-cluster.js';
import { get, put } from './http.js';
import { inParallel } from './in-parallel.js';

const CONCURRENCY = 8;
const MAX_TRIES = 20;
/** A server that was slow is asked last for 5 s. */
const RETRY_MS = 500;

/** Objects of a full cluster by what was stored in them. */
export class KnownObjects {
  /** Of the body, by name. */
  readonly digests = new Map<string, string>();
  /** Bodies that were sent once more, since at first a server had been too slow to get its shard. */
  retried = 0;

  constructor(private readonly cluster: Cluster) {}

  /** Resolves when every one has all of its shards: only then may any two servers be lost before a repair. */
  async store(prefix: string, count: number, sizeBytes: number): Promise<void> {
    const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
    await inParallel(names, CONCURRENCY, (name, index) => this.#storeWhole(name, sizeBytes, index));
  }

  /** What is wrong with what is read of them, in words. */
  async compare(names: Iterable<string> = this.digests.keys()): Promise<string[]> {
    const wrong: string[] = [];
    await inParallel([...names], CONCURRENCY, async (name, index) => {
      const problem = await this.#problemOf(name, index).catch((error: unknown) => `${name}: ${String(error)}`);
      if (problem !== undefined) wrong.push(problem);
    });
    return wrong;
  }

  /** Whether an answer is whole and right. Of a status other than 200 it says nothing. */
  isRight(name: string, body: Buffer): boolean {
    return digest(body) === this.digests.get(name);
  }

  async #storeWhole(name: string, sizeBytes: number, index: number): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      // The same content again would be recognised, and left as it is.
      const body = randomBytes(sizeBytes);
      const stored = await put(`${this.cluster.api(index)}/objects/${name}`, body);
      // With two servers slow at once there is no quorum for a moment.
      if (![200, 503].includes(stored.status))
        throw new Error(`PUT ${name}: ${stored.status} ${stored.body.toString()}`);
      if (stored.status === 200) {
        this.digests.set(name, digest(body));
        if ((await shardsOf(this.cluster, name)).every(({ server }) => server !== undefined)) return;
      }
      this.retried++;
      await sleep(RETRY_MS);
    }
    throw new Error(`${name} was refused, or lacked a shard, each of ${MAX_TRIES} times`);
  }

  async #problemOf(name: string, index: number): Promise<string | undefined> {
    const read = await get(`${this.cluster.api(index)}/objects/${name}`);
    if (read.status !== 200) return `GET ${name}: ${read.status} ${read.body.toString()}`;
    return this.isRight(name, read.body) ? undefined : `GET ${name}: other bytes than were stored`;
  }
}

function digest(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}
