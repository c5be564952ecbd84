import { GranaryError, type ObjectName } from '#contracts';
import type { Member } from '#cluster';
import type { Precondition } from '#storage';
import { cannotTell } from '../cluster/locate-object.js';
import { moveCopy } from './move-copy.js';
import type { ObjectCluster } from './object-cluster.js';

/**
 * Makes a data server fit to decide a precondition by itself, atomically with the write: after this it
 * has the current copy, or nobody has one. Throws `precondition-failed` if that is clear already, and
 * `data-server-unavailable` when it cannot be told.
 */
export async function decideAt(
  cluster: ObjectCluster,
  name: ObjectName,
  decider: Member,
  precondition: Precondition,
  signal?: AbortSignal,
): Promise<void> {
  if ((await cluster.storeOf(decider).stat(name, signal && { signal })) !== undefined) return;

  const located = await cluster.locate(name, { all: true, ignoreUnheardPeers: true });
  const [newest] = located.holders.filter(holder => holder.key !== decider.key);
  if (newest === undefined) {
    if (located.holders.length === 0 && located.silent.length > 0) throw cannotTell(name, located);
    return;
  }
  if (precondition.ifNoneMatch === '*') {
    throw new GranaryError('precondition-failed', 'If-None-Match: the object exists.');
  }
  if (newest.kind === 'peer') {
    throw new GranaryError(
      'peer-cannot',
      `Data server ${newest.address}, which holds the object, knows no entity tags to compare.`,
    );
  }
  await moveCopy(cluster, name, newest, decider, signal);
}
