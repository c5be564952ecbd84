import type { ObjectName } from '#contracts';
import type { ShardInfo } from '#storage';
import { findCopy } from './find-copy.js';
import type { ObjectCluster } from './object-cluster.js';

/** Describes the current copy of an object; undefined when there is none. */
export function statObject(
  cluster: ObjectCluster,
  name: ObjectName,
  options?: { signal?: AbortSignal },
): Promise<(ShardInfo & { size: number }) | undefined> {
  return findCopy(cluster, name, store => store.stat(name, options));
}
