import type { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { request, type Answer } from './http.js';

export interface LoadResult {
  operations: number;
  /** What went wrong, in words. */
  failures: string[];
  latenciesMs: number[];
}

/** One operation of a load; it tells how long each of its requests took. Undefined means that all went well. */
export type LoadOperation = (serial: number, took: (ms: number) => void) => Promise<string | undefined>;

const running = new Set<Load>();

/** Repeats the operation on some connections until stopped; the serial number counts all of them. */
export class Load {
  private stopped = false;
  private serial = 0;
  private readonly result: LoadResult = { operations: 0, failures: [], latenciesMs: [] };
  private readonly workers: Promise<void>[];

  constructor(
    private readonly operation: LoadOperation,
    concurrency = 4,
  ) {
    running.add(this);
    this.workers = Array.from({ length: concurrency }, () => this.work());
  }

  /** So many have ended. */
  get operations(): number {
    return this.result.operations;
  }

  async stop(): Promise<LoadResult> {
    this.stopped = true;
    running.delete(this);
    await Promise.all(this.workers);
    return this.result;
  }

  private async work(): Promise<void> {
    while (!this.stopped) {
      const took = (ms: number) => this.result.latenciesMs.push(ms);
      const failure = await this.operation(this.serial++, took).catch((error: unknown) => String(error));
      this.result.operations++;
      if (failure !== undefined) this.result.failures.push(failure);
      await sleep(5);
    }
  }
}

/** What a test that failed left running. */
export async function stopAllLoads(): Promise<void> {
  await Promise.all([...running].map(load => load.stop()));
}

/** For a while. */
export async function loadFor(ms: number, operation: LoadOperation, concurrency = 4): Promise<LoadResult> {
  const load = new Load(operation, concurrency);
  await sleep(ms);
  return load.stop();
}

/** PUTs a fresh object and reads it back at another API server; each request on a connection of its own, unless there is an agent. */
export function writeAndRead(
  prefix: string,
  api: (serial: number) => string,
  sizeBytes = 1_000,
  agent?: Agent,
): LoadOperation {
  return async (serial, took) => {
    const name = `${prefix}-${serial}`;
    const body = name.padEnd(sizeBytes, '.');
    const stored = await request(`${api(serial)}/objects/${name}`, { method: 'PUT', body, agent });
    took(stored.ms);
    if (stored.status !== 200) return `PUT ${name}: ${describe(stored)}`;
    const read = await request(`${api(serial + 1)}/objects/${name}`, { agent });
    took(read.ms);
    if (read.status !== 200) return `GET ${name}: ${describe(read)}`;
    return read.body.toString() === body ? undefined : `GET ${name}: other bytes than were stored`;
  };
}

export function percentile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0;
}

function describe(answer: Answer): string {
  return `${answer.status} after ${answer.ms.toFixed(0)} ms ${answer.body.toString('utf8', 0, 200)}`;
}
