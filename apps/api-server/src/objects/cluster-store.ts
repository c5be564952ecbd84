import type { ObjectName } from '#contracts';
import type {
  CreateOptions,
  OpenOptions,
  PutOptions,
  RemoveOptions,
  RemoveResult,
  ShardInfo,
  ShardReader,
  ShardStore,
  ShardWriter,
} from '#storage';
import { deleteObject } from './delete-object.js';
import { getObject } from './get-object.js';
import type { ObjectCluster } from './object-cluster.js';
import { createObject, putObject } from './put-object.js';
import { statObject } from './stat-object.js';

/**
 * All data servers as one store, by what each API server can do alone: names are the keys, every
 * object has one current copy (docs/plain-cluster.md says what that is worth).
 */
export class ClusterStore implements ShardStore {
  constructor(private readonly cluster: ObjectCluster) {}

  put(key: ObjectName, bytes: Buffer, options: PutOptions): Promise<ShardInfo> {
    return putObject(this.cluster, key, bytes, options);
  }

  create(key: ObjectName, options: CreateOptions): Promise<ShardWriter> {
    return createObject(this.cluster, key, options);
  }

  open(key: ObjectName, options?: OpenOptions): Promise<ShardReader | undefined> {
    return getObject(this.cluster, key, options);
  }

  stat(key: ObjectName, options?: { signal?: AbortSignal }): Promise<(ShardInfo & { size: number }) | undefined> {
    return statObject(this.cluster, key, options);
  }

  remove(key: ObjectName, options: RemoveOptions): Promise<RemoveResult> {
    return deleteObject(this.cluster, key, options);
  }
}
