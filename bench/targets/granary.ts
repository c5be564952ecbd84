import { join } from 'node:path';
import { Cluster, type ClusterOptions } from '../../test/harness/cluster.js';
import { freshDatabase } from '../../test/harness/fresh-database.js';
import { HOT_BLOB_CACHE } from '../../test/harness/full-cluster.js';
import type { ServerProcess } from '../../test/harness/server-process.js';
import { startSingleNode } from '../../test/harness/single-node.js';
import { startStandalone } from '../../test/harness/standalone.js';
import { tempDirectory } from '../../test/harness/temp-directory.js';
import { startBroker } from '../../tools/broker.js';
import { startPostgres } from '../../tools/postgres.js';
import { withChildren } from '../processes.js';
import { TARGETS } from '../report/goals.js';
import type { FloorName } from './floors.js';
import type { Started } from './started.js';

/** One way to run Granary, and the floors to compare it with. */
export interface Way {
  name: string;
  floors: readonly FloorName[];
  /** `workers`: of an API server. */
  start(workers: number): Promise<Started>;
}

const env = { LOG_LEVEL: 'warn' };

/**
 * Granary in each way it runs, from dist/: a single node; six data servers with one API server for the plain
 * cluster and for the full one on SQLite and on PostgreSQL (whose own processes are not counted); a plain cluster of
 * two processes, which shows what the hop costs by itself; and standalone with one copy. Those with metadata keep
 * small objects in memory, as they do by default; "cold" does not.
 */
export const WAYS: readonly Way[] = [
  {
    name: TARGETS.single,
    floors: ['one-hop', 'file-each'],
    start: async () => started(TARGETS.single, [await startSingleNode({ env })]),
  },
  {
    name: TARGETS.cluster,
    floors: ['one-hop', 'two-hops', 'frames'],
    start: workers => startCluster(TARGETS.cluster, { WORKERS: String(workers) }),
  },
  {
    name: TARGETS.clusterOfTwo,
    floors: ['one-hop', 'two-hops', 'frames-of-two'],
    start: () => startCluster(TARGETS.clusterOfTwo, { WORKERS: '1' }, 1),
  },
  {
    name: TARGETS.full,
    floors: ['one-hop'],
    start: workers => startCluster(TARGETS.full, { WORKERS: String(workers), METADATA_URL: sqliteUrl() }),
  },
  {
    name: TARGETS.fullCold,
    floors: ['one-hop'],
    start: workers =>
      startCluster(TARGETS.fullCold, {
        WORKERS: String(workers),
        METADATA_URL: sqliteUrl(),
        HOT_BLOB_CACHE_BYTES: '0',
      }),
  },
  { name: TARGETS.fullPostgres, floors: ['one-hop'], start: startOnPostgres },
  {
    name: TARGETS.standalone,
    floors: ['one-hop'],
    start: async () =>
      started(TARGETS.standalone, [
        await startStandalone({ env: { ...env, ...HOT_BLOB_CACHE, REDUNDANCY: 'single' } }),
      ]),
  },
];

async function startCluster(
  name: string,
  apiEnv: NonNullable<ClusterOptions['apiEnv']>,
  dataServers?: number,
): Promise<Started> {
  const broker = await startBroker();
  const cluster = await orStop(
    broker,
    Cluster.start({
      brokerUrl: broker.url,
      apiServers: 1,
      env,
      apiEnv,
      ...(dataServers !== undefined && { dataServers }),
    }),
  );
  return {
    ...started(name, [...cluster.apis, ...cluster.datas]),
    // Of another's broker the connections of others would count too, or none.
    ...(broker.owned && { brokerPort: Number(new URL(broker.url).port) }),
    stop: async () => {
      await cluster.stop();
      await broker.stop();
    },
  };
}

async function startOnPostgres(workers: number): Promise<Started> {
  const postgres = await startPostgres();
  const starting = freshDatabase(postgres.url).then(({ url }) =>
    startCluster(TARGETS.fullPostgres, { WORKERS: String(workers), METADATA_URL: url }),
  );
  const { stop, ...cluster } = await orStop(postgres, starting);
  return {
    ...cluster,
    stop: async () => {
      await stop();
      await postgres.stop();
    },
  };
}

/** What was started for something that then does not start must not stay. */
async function orStop<T>(before: { stop(): Promise<unknown> }, starting: Promise<T>): Promise<T> {
  try {
    return await starting;
  } catch (error) {
    await before.stop();
    throw error;
  }
}

function sqliteUrl(): string {
  return `sqlite:${join(tempDirectory('metadata'), 'metadata.db')}`;
}

/** The first server takes the requests. */
function started(name: string, servers: readonly ServerProcess[]): Started {
  const [host = '', port] = (servers[0]?.address ?? '').split(':');
  const pids = withChildren(servers.map(server => server.pid));
  return {
    targets: [{ name, host, port: Number(port), pids }],
    stop: async () => void (await Promise.all(servers.map(server => server.stop()))),
  };
}
