import { join } from 'node:path';
import { Cluster, type ClusterOptions } from './cluster.js';
import { tempDirectory } from './temp-directory.js';

/** To be set where a test wants small objects to be read from the API servers' memory, as they are by default outside of tests. */
export const HOT_BLOB_CACHE = { HOT_BLOB_CACHE_BYTES: '32MiB' };

/**
 * A full cluster of real processes. Its metadata is in a fresh SQLite file, unless METADATA_URL is among `apiEnv`.
 * Its API servers keep no contents in memory, unless HOT_BLOB_CACHE is: a GET after a fault would say nothing of the disks.
 */
export function startFullCluster(options: ClusterOptions): Promise<Cluster> {
  return Cluster.start({
    ...options,
    apiEnv: {
      METADATA_URL: `sqlite:${join(tempDirectory('metadata'), 'metadata.db')}`,
      HOT_BLOB_CACHE_BYTES: '0',
      ...options.apiEnv,
    },
  });
}

export interface ListedShard {
  blob: string;
  segment: number;
  shard: number;
  /** None while the shard is nowhere, and its repair is queued. */
  server?: string;
  address?: string;
}

/** Where every shard of the current version is. */
export async function shardsOf(cluster: Cluster, name: string): Promise<ListedShard[]> {
  const answer = await fetch(`${cluster.api()}/locate/${encodeURIComponent(name)}?all`);
  if (!answer.ok) throw new Error(`locate ${name}: ${answer.status}`);
  return (await answer.json()) as ListedShard[];
}
