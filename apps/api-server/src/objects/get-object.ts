import type { ObjectName } from '#contracts';
import type { OpenOptions, ShardReader } from '#storage';
import { findCopy } from './find-copy.js';
import type { ObjectCluster } from './object-cluster.js';

/** Opens the current copy of an object; undefined when there is none. */
export function getObject(
  cluster: ObjectCluster,
  name: ObjectName,
  options?: OpenOptions,
): Promise<ShardReader | undefined> {
  return findCopy(cluster, name, store => store.open(name, options));
}
