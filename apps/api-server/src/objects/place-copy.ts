import { GranaryError, hashName, type ObjectName, type Stamp } from '#contracts';
import { rankMembers, type ClusterView, type Member } from '#cluster';
import type { PutOptions, ShardStore } from '#storage';
import { decideAt } from './decide-at.js';
import type { ObjectCluster } from './object-cluster.js';
import { outdatedCopies, type OutdatedCopy } from './outdated-copies.js';

export interface Placed<T> {
  result: T;
  member: Member;
  stamp: Stamp;
  /** Copies where readers would look first, to be removed once the new one is durable. */
  outdated: readonly OutdatedCopy[];
}

/** Begins or makes the write at one data server. */
export type WriteAt<T, O extends PutOptions> = (store: ShardStore, options: O) => Promise<T>;

/** So that a write that meets dead servers ends within seconds. */
const MAX_UNREACHABLE = 2;

/**
 * Writes at the first server of the name's rank that takes it. Turns to the next when one is full, or
 * cannot be reached; a conditional write only when one is full, since an unreachable server may have
 * decided otherwise. Peers come last.
 */
export async function placeCopy<T, O extends PutOptions>(
  cluster: ObjectCluster,
  name: ObjectName,
  options: O,
  writeAt: WriteAt<T, O>,
): Promise<Placed<T>> {
  const { view } = cluster;
  const rank = rankMembers(hashName(name), [...view.homes, ...view.peers]);
  const failures: GranaryError[] = [];
  for (const [place, member] of rank.entries()) {
    if (options.precondition !== undefined && member.suspect) throw unreachable(member);
    if (member.suspect || !takesObjects(member)) continue;
    try {
      return await placeAt(cluster, name, member, rank.slice(0, place), options, writeAt);
    } catch (error) {
      if (!mayTurnElsewhere(error, options)) throw error;
      failures.push(error);
      if (failures.filter(isUnreachable).length >= MAX_UNREACHABLE) break;
    }
  }
  throw failures.find(isUnreachable) ?? failures[0] ?? noTaker(view);
}

async function placeAt<T, O extends PutOptions>(
  cluster: ObjectCluster,
  name: ObjectName,
  member: Member,
  above: readonly Member[],
  options: O,
  writeAt: WriteAt<T, O>,
): Promise<Placed<T>> {
  const { signal, precondition } = options;
  if (precondition !== undefined) await decideAt(cluster, name, member, precondition, signal);
  const outdated = await outdatedCopies(cluster, name, above, signal);
  const stamp = options.stamp ?? cluster.clock.next();
  const result = await writeAt(cluster.storeOf(member), { ...options, stamp });
  return { result, member, stamp, outdated };
}

function takesObjects(member: Member): boolean {
  return member.kind === 'peer' || member.facts?.state === 'ready';
}

function mayTurnElsewhere(error: unknown, options: PutOptions): error is GranaryError {
  if (!(error instanceof GranaryError)) return false;
  return error.code === 'storage-full' || (isUnreachable(error) && options.precondition === undefined);
}

function isUnreachable(error: GranaryError): boolean {
  return error.code === 'data-server-unavailable';
}

function unreachable(member: Member): GranaryError {
  return new GranaryError(
    'data-server-unavailable',
    `Data server ${member.key} at ${member.address}, which decides about this name, cannot be reached.`,
    { headers: { 'Retry-After': '1' } },
  );
}

function noTaker(view: ClusterView): GranaryError {
  const headers = { 'Retry-After': '1' };
  const suspects = [...view.homes, ...view.peers].filter(member => member.suspect);
  if (suspects.length > 0) {
    return new GranaryError('data-server-unavailable', `${suspects.length} data servers cannot be reached.`, {
      headers,
    });
  }
  const readOnly = view.homes.map(member => `${member.key}: ${member.facts?.reason ?? 'read-only'}`);
  if (readOnly.length > 0) {
    return new GranaryError('storage-full', `No data server takes objects now (${readOnly.slice(0, 10).join('; ')}).`);
  }
  return new GranaryError('no-data-server', 'No data server that could take the object is known.', { headers });
}
