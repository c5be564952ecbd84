import { GranaryError, type ObjectName } from '#contracts';
import type { Member } from '#cluster';
import { attributesOf, type CreateOptions, type ShardReader, type ShardStore } from '#storage';
import type { ObjectCluster } from './object-cluster.js';

/**
 * Copies an object from one data server of ours to another, unless something newer is there. The
 * former holder notices by itself that its copy is no longer needed (docs/protocol/reconcile.md).
 */
export async function moveCopy(
  { storeOf }: ObjectCluster,
  name: ObjectName,
  from: Member,
  to: Member,
  signal?: AbortSignal,
): Promise<void> {
  const reader = await storeOf(from).open(name, signal && { signal });
  if (reader === undefined) return;
  try {
    await copyInto(storeOf(to), name, reader, signal);
  } catch (error) {
    if (!(error instanceof GranaryError && error.code === 'precondition-failed')) throw error;
  } finally {
    await reader.close();
  }
}

async function copyInto(store: ShardStore, name: ObjectName, reader: ShardReader, signal?: AbortSignal): Promise<void> {
  const { size, stamp, modifiedMs } = reader.info;
  const options: CreateOptions = {
    stamp,
    move: { modifiedMs: modifiedMs ?? Date.now() },
    attributes: attributesOf(reader.info),
    ...(size !== undefined && { length: size }),
    ...(signal !== undefined && { signal }),
  };
  const writer = await store.create(name, options);
  try {
    await reader.copyTo(chunk => writer.write(chunk), undefined, signal && { signal });
    await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
