import type { ObjectName } from '#contracts';
import { withDeadline } from '#time';
import { cannotTell } from '../cluster/locate-object.js';
import { homeToAsk } from './find-copy.js';
import type { ObjectCluster } from './object-cluster.js';

/** A home that has not answered by then is slower than asking everybody. */
const HOME_MS = 250;

/**
 * What an API server answers to /locate. One server that has the object is looked for where a GET looks
 * first, without any message; when the name's home does not have it all are asked.
 */
export function objectLocator(cluster: ObjectCluster) {
  const ask = async (name: ObjectName, all: boolean): Promise<string[]> => {
    const located = await cluster.locate(name, { all });
    if (located.holders.length === 0 && located.silent.length > 0) throw cannotTell(name, located);
    return located.holders.map(holder => holder.address);
  };
  const locate = async (name: ObjectName): Promise<string | undefined> => {
    const address = (await addressAtHome(cluster, name)) ?? (await ask(name, false))[0];
    // A copy may have moved home after the home was asked and before its former holder was.
    return address ?? addressAtHome(cluster, name);
  };
  return { locate, locateAll: (name: ObjectName) => ask(name, true) };
}

/** Undefined when the home does not have it, is a peer (which would send the whole object), or cannot be asked now. */
async function addressAtHome(cluster: ObjectCluster, name: ObjectName): Promise<string | undefined> {
  const home = homeToAsk(cluster, name);
  if (home === undefined || home.kind === 'peer') return undefined;
  const has = cluster
    .storeOf(home)
    .stat(name)
    .then(
      found => found !== undefined,
      () => false,
    );
  return (await withDeadline(HOME_MS, has, () => false)) ? home.address : undefined;
}
