import type { ObjectName } from '#contracts';
import type { CreateOptions, PutOptions, ShardInfo, ShardStore, ShardWriter } from '#storage';
import type { ObjectCluster } from './object-cluster.js';
import { removeOutdated } from './outdated-copies.js';
import { placeCopy, type Placed } from './place-copy.js';

/** Stores a small object whole. As it is in memory, it goes to another server when one fails. */
export async function putObject(
  cluster: ObjectCluster,
  name: ObjectName,
  bytes: Buffer,
  options: PutOptions,
): Promise<ShardInfo> {
  const write = (store: ShardStore, atStore: PutOptions): Promise<ShardInfo> => store.put(name, bytes, atStore);
  const placed = await placeCopy(cluster, name, options, write);
  return conclude(cluster, name, placed, placed.result);
}

/**
 * Begins a streamed write: when it resolves, a data server awaits the body. After the first byte a
 * failure of that server is the client's to retry.
 */
export async function createObject(
  cluster: ObjectCluster,
  name: ObjectName,
  options: CreateOptions,
): Promise<ShardWriter> {
  const begin = (store: ShardStore, atStore: CreateOptions): Promise<ShardWriter> => store.create(name, atStore);
  const placed = await placeCopy(cluster, name, options, begin);
  const writer = placed.result;
  return {
    releasesChunks: writer.releasesChunks === true,
    write: chunk => writer.write(chunk),
    commit: async commitOptions => conclude(cluster, name, placed, await writer.commit(commitOptions)),
    abort: () => writer.abort(),
  };
}

async function conclude<T>(
  cluster: ObjectCluster,
  name: ObjectName,
  { stamp, outdated }: Placed<T>,
  info: ShardInfo,
): Promise<ShardInfo> {
  cluster.clock.observe(info.stamp);
  await removeOutdated(cluster, name, outdated, Math.max(stamp, info.stamp));
  return info;
}
