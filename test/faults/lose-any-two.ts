import { randomBytes } from 'node:crypto';
import type { Cluster } from '../harness/cluster.js';
import { problemCode, put } from '../harness/http.js';
import type { KnownObjects } from '../harness/known-objects.js';
import type { ServerProcess } from '../harness/server-process.js';

export const SMALL_BYTES = 4 * 1024;
export const LARGE_BYTES = 1024 * 1024;
/** Writes of each size, with one server down and with two. */
const WRITES = 5;

export interface LossResult {
  pairs: number;
  reads: number;
  writes: number;
  /** Reads that were not right, and writes that were refused although they had their quorum, in words. */
  failures: string[];
}

export type Pair = readonly [ServerProcess, ServerProcess];

export function allPairs(servers: readonly ServerProcess[]): Pair[] {
  return servers.flatMap((first, index) => servers.slice(index + 1).map(second => [first, second] as const));
}

/** As few pairs as have every server in them. */
export function disjointPairs(servers: readonly ServerProcess[]): Pair[] {
  return allPairs(servers).filter(([first, second]) => {
    const at = servers.indexOf(first);
    return at % 2 === 0 && servers.indexOf(second) === at + 1;
  });
}

/**
 * Kills each pair of data servers at a time: every object must be read right, and every write succeed that
 * has its quorum: of both sizes while one is down, of copies while two are. The killed come back before the next.
 */
export async function loseAnyTwo(
  cluster: Cluster,
  objects: KnownObjects,
  pairs: readonly Pair[],
  progress: (line: string) => void = () => undefined,
): Promise<LossResult> {
  const result: LossResult = { pairs: 0, reads: 0, writes: 0, failures: [] };
  for (const [first, second] of pairs) {
    await first.kill();
    await write(cluster, [SMALL_BYTES, LARGE_BYTES], result);
    await second.kill();
    await write(cluster, [SMALL_BYTES], result);
    await expectNoQuorum(cluster, result);
    result.failures.push(...(await objects.compare()));
    result.reads += objects.digests.size;
    for (const server of [first, second]) server.start();
    await cluster.ready();
    result.pairs++;
    progress(
      `${first.options.name} and ${second.options.name}: ${result.reads} reads and ${result.writes} writes, ${result.failures.length} failed`,
    );
  }
  return result;
}

async function write(cluster: Cluster, sizes: readonly number[], result: LossResult): Promise<void> {
  for (const size of sizes) {
    for (let index = 0; index < WRITES; index++) {
      const name = `written-${result.writes++}`;
      const stored = await put(`${cluster.api(index)}/objects/${name}`, randomBytes(size));
      if (stored.status !== 200) result.failures.push(`PUT ${name}: ${stored.status} ${stored.body.toString()}`);
    }
  }
}

/** Four of six servers are one too few for 4+2. */
async function expectNoQuorum(cluster: Cluster, result: LossResult): Promise<void> {
  const refused = await put(`${cluster.api()}/objects/refused`, randomBytes(LARGE_BYTES));
  if (refused.status !== 503 || problemCode(refused) !== 'no-data-server')
    result.failures.push(`PUT without a quorum: ${refused.status} ${refused.body.toString()}`);
}
