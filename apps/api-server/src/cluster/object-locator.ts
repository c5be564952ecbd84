import type { ObjectName } from '#contracts';
import { cannotTell, type LocateObject } from './locate-object.js';

/** What an API server answers to /locate. */
export function objectLocator(locate: LocateObject) {
  const addressesOf = async (name: ObjectName, all: boolean): Promise<string[]> => {
    const located = await locate(name, { all });
    if (located.holders.length === 0 && located.silent.length > 0) throw cannotTell(name, located);
    return located.holders.map(holder => holder.address);
  };
  return {
    locate: async (name: ObjectName) => (await addressesOf(name, false))[0],
    locateAll: (name: ObjectName) => addressesOf(name, true),
  };
}
