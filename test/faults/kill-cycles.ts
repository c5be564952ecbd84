import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../harness/cluster.js';
import { startFullCluster } from '../harness/full-cluster.js';
import type { Answer } from '../harness/http.js';
import { SeededRandom } from '../harness/seeded-random.js';
import type { ServerProcess } from '../harness/server-process.js';
import { AcknowledgedObjects, isLateDatabase } from './acknowledged-objects.js';

export interface KillCycleOptions {
  brokerUrl: string;
  cycles: number;
  /** Of the choice of servers. */
  seed?: number;
  progress?(line: string): void;
}

const WRITTEN = { writers: 8, namesPerWriter: 12, sizes: [0, 100, 4_000, 60_000, 140_000, 300_000] };
const MAX_WRITING_MS = 800;
/** In each cycle in which an API server lives, however slow the machine is. */
const MIN_WRITES = 12;

/**
 * In a full cluster of real processes one or two servers, of either kind, are killed at a random moment of
 * many writes, which go on; the servers start again, and every name is compared. Requests fail only with the
 * API server that had them, or for want of a quorum while two data servers are down.
 */
export async function killCycles(options: KillCycleOptions): Promise<AcknowledgedObjects> {
  const random = new SeededRandom(options.seed);
  options.progress?.(`kills by seed ${random.seed}`);
  const objects = new AcknowledgedObjects(WRITTEN);
  const cluster = await startFullCluster({
    brokerUrl: options.brokerUrl,
    env: { LOG_LEVEL: 'warn' },
    dataEnv: { MIN_FREE_BYTES: '0' },
  });
  try {
    for (let cycle = 0; cycle < options.cycles; cycle++) {
      const victims = random.sample([...cluster.apis, ...cluster.datas], 1 + random.below(2));
      await writeThroughKill(cluster, victims, objects);
      for (const victim of victims) victim.start();
      await cluster.ready();
      await objects.compare(cluster.api(cycle));
      const names = victims.map(({ options: { name } }) => name).join(' and ');
      options.progress?.(`kill ${cycle + 1}, of ${names}: ${String(objects)}`);
    }
  } catch (error) {
    for (const server of [...cluster.apis, ...cluster.datas]) options.progress?.(server.logTail());
    throw error;
  } finally {
    await cluster.kill();
  }
  return objects;
}

async function writeThroughKill(
  cluster: Cluster,
  victims: readonly ServerProcess[],
  objects: AcknowledgedObjects,
): Promise<void> {
  const ended = new AbortController();
  const writesBefore = objects.writes;
  const dead = (servers: readonly ServerProcess[]) => servers.filter(server => victims.includes(server)).length;
  const mayFail = (answer: Answer | undefined): boolean =>
    answer === undefined
      ? dead(cluster.apis) > 0
      : (answer.status === 503 && dead(cluster.datas) > 1) || isLateDatabase(answer);
  const writers = objects.writeUntil(ended.signal, writer => anApi(cluster, writer), mayFail);
  await Promise.race([sleep(Math.random() * MAX_WRITING_MS), writers]);
  await Promise.all(victims.map(victim => victim.kill()));
  await Promise.race([sleep(MAX_WRITING_MS / 2), writers]);
  if (dead(cluster.apis) < cluster.apis.length) {
    await Promise.race([objects.untilWritten(writesBefore + MIN_WRITES), writers]);
  }
  ended.abort();
  await writers;
}

/** One that runs, if any does. */
function anApi(cluster: Cluster, writer: number): string {
  const running = cluster.apis.filter(({ isRunning }) => isRunning);
  return running[writer % running.length]?.url ?? cluster.api(writer);
}
