import { GranaryError, hashName, type ObjectName } from '#contracts';
import { rankMembers, type Member } from '#cluster';
import type { RemoveOptions, RemoveResult } from '#storage';
import { cannotTell } from '../cluster/locate-object.js';
import { decideAt } from './decide-at.js';
import type { ObjectCluster } from './object-cluster.js';

/**
 * Removes an object wherever it is. Its home, or the next of the rank that can be reached, remembers
 * the removal even if it has no copy, so that one which comes back with an old copy cannot bring the
 * object back. `existed` is false only when every server that could have a copy has said no.
 */
export async function deleteObject(
  cluster: ObjectCluster,
  name: ObjectName,
  options: RemoveOptions,
): Promise<RemoveResult> {
  const located = await cluster.locate(name, { all: true });
  refusePeers(located.holders);
  const isNowhere = located.holders.length === 0 && located.silent.length === 0;
  if (isNowhere && cluster.view.homes.length === 0) return { existed: false, stamp: cluster.clock.next() };
  const atHome = await removeAtHome(cluster, name, options);
  const elsewhere = located.holders.filter(holder => holder.key !== atHome.member.key);
  let { existed } = atHome;
  for (const holder of elsewhere)
    existed = (await removeAt(cluster, name, holder, { stamp: atHome.stamp })).existed || existed;
  if (!existed && located.silent.length > 0) throw cannotTell(name, located);
  return { existed, stamp: atHome.stamp };
}

async function removeAtHome(
  cluster: ObjectCluster,
  name: ObjectName,
  options: RemoveOptions,
): Promise<RemoveResult & { member: Member }> {
  let failure: unknown = new GranaryError('no-data-server', 'No data server is known.', {
    headers: { 'Retry-After': '1' },
  });
  for (const member of rankMembers(hashName(name), cluster.view.homes)) {
    if (member.suspect) continue;
    try {
      if (options.precondition !== undefined) {
        await decideAt(cluster, name, member, options.precondition, options.signal);
      }
      const stamp = options.stamp ?? cluster.clock.next();
      return { ...(await removeAt(cluster, name, member, { ...options, stamp, remember: true })), member };
    } catch (error) {
      if (!(error instanceof GranaryError) || error.code !== 'data-server-unavailable') throw error;
      failure = error;
    }
    if (options.precondition !== undefined) break;
  }
  throw failure;
}

async function removeAt(
  { storeOf, clock }: ObjectCluster,
  name: ObjectName,
  member: Member,
  options: RemoveOptions,
): Promise<RemoveResult> {
  const result = await storeOf(member).remove(name, options);
  clock.observe(result.stamp);
  return result;
}

function refusePeers(holders: readonly Member[]): void {
  const peer = holders.find(holder => holder.kind === 'peer');
  if (peer === undefined) return;
  throw new GranaryError('peer-cannot', `The data server at ${peer.address}, which holds the object, cannot delete.`);
}
