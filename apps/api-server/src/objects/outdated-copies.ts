import { GranaryError, type ErrorCode, type ObjectName, type Stamp } from '#contracts';
import type { Member } from '#cluster';
import type { ObjectCluster } from './object-cluster.js';

/** A copy at a server that readers ask before the one that a write goes to. */
export interface OutdatedCopy {
  member: Member;
  etag: string;
}

/**
 * What a write at a lower choice will leave behind: the copies at higher ones that live, but take
 * nothing now. The clock learns their stamps and skips one, so that there is room for their
 * tombstones between them and the stamp of the write that follows.
 */
export async function outdatedCopies(
  cluster: ObjectCluster,
  name: ObjectName,
  above: readonly Member[],
  signal?: AbortSignal,
): Promise<OutdatedCopy[]> {
  const { storeOf, clock } = cluster;
  const copies: OutdatedCopy[] = [];
  for (const member of above) {
    if (isSuspect(cluster, member)) continue;
    const present = await unlessGone(cluster, member, storeOf(member).stat(name, signal && { signal }));
    if (present?.etag === undefined) continue;
    copies.push({ member, etag: present.etag });
    clock.observe(present.stamp);
  }
  if (copies.length > 0) clock.next();
  return copies;
}

/**
 * Removes them, now that the new copy is durable. Their tombstones are older than it, or they would
 * kill it as it comes home. A copy that was replaced meanwhile is not the one that was seen, and stays.
 */
export async function removeOutdated(
  cluster: ObjectCluster,
  name: ObjectName,
  copies: readonly OutdatedCopy[],
  newStamp: Stamp,
): Promise<void> {
  for (const { member, etag } of copies) {
    const removal = cluster.storeOf(member).remove(name, { stamp: newStamp - 1, precondition: { ifMatch: [etag] } });
    await unlessGone(cluster, member, unlessReplaced(removal));
  }
}

/** A server that has become a suspect is no reader's first choice any more; one that is merely busy still is. */
async function unlessGone<T>(cluster: ObjectCluster, member: Member, asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (hasCode(error, 'data-server-unavailable') && isSuspect(cluster, member)) return undefined;
    throw error;
  }
}

async function unlessReplaced<T>(removal: Promise<T>): Promise<T | undefined> {
  try {
    return await removal;
  } catch (error) {
    if (hasCode(error, 'precondition-failed')) return undefined;
    throw error;
  }
}

function isSuspect({ view }: ObjectCluster, { key }: Member): boolean {
  return view.find(key)?.suspect !== false;
}

function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof GranaryError && error.code === code;
}
