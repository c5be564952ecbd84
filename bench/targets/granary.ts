import { join } from 'node:path';
import { apiServer, Cluster } from '../../test/harness/cluster.js';
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
import type { Target } from '../target.js';
import type { Started } from './started.js';

const env = { LOG_LEVEL: 'warn' };

/**
 * Granary in each way it runs, from dist/: a single node; six data servers with one API server each for
 * the plain cluster and for the full one on SQLite and on PostgreSQL (whose own processes are not counted);
 * and standalone with one copy. Only one target works at a time, so the data servers' CPU is that target's.
 * Those with metadata keep small objects in memory, as they do by default; "cold" does not.
 */
export async function startGranary(workers: number): Promise<Started> {
  const single = await startSingleNode({ env });
  const broker = await startBroker();
  const postgres = await startPostgres();
  const options = { brokerUrl: broker.url, apiServers: 1, env, apiEnv: { WORKERS: String(workers) } };
  const cluster = await Cluster.start(options);
  const fullOn = async (index: number, metadataUrl: string, more: Record<string, string> = {}) => {
    const apiEnv = { ...options.apiEnv, METADATA_URL: metadataUrl, ...more };
    const api = await apiServer({ ...options, apiEnv }, index);
    await api.ready();
    await cluster.sees(
      api.url,
      cluster.datas.map(({ address }) => address),
    );
    return api;
  };
  const onSqlite = await fullOn(1, sqliteUrl());
  const onPostgres = await fullOn(2, (await freshDatabase(postgres.url)).url);
  const cold = await fullOn(3, sqliteUrl(), { HOT_BLOB_CACHE_BYTES: '0' });
  const standalone = await startStandalone({ env: { ...env, ...HOT_BLOB_CACHE, REDUNDANCY: 'single' } });
  return {
    targets: [
      target(TARGETS.single, [single]),
      target(TARGETS.cluster, [...cluster.apis, ...cluster.datas]),
      target(TARGETS.full, [onSqlite, ...cluster.datas]),
      target(TARGETS.fullCold, [cold, ...cluster.datas]),
      target(TARGETS.fullPostgres, [onPostgres, ...cluster.datas]),
      target(TARGETS.standalone, [standalone]),
    ],
    brokerPort: Number(new URL(broker.url).port),
    stop: async () => {
      await standalone.stop();
      await Promise.all([onSqlite, onPostgres, cold].map(server => server.stop()));
      await cluster.stop();
      await single.stop();
      await postgres.stop();
      await broker.stop();
    },
  };
}

function sqliteUrl(): string {
  return `sqlite:${join(tempDirectory('metadata'), 'metadata.db')}`;
}

/** The first server takes the requests. */
function target(name: string, servers: readonly ServerProcess[]): Target {
  const [host = '', port] = (servers[0]?.address ?? '').split(':');
  return { name, host, port: Number(port), pids: withChildren(servers.map(server => server.pid)) };
}
