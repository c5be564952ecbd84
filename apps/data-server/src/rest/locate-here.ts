import type { ObjectName } from '#contracts';
import type { ShardCatalog } from '#storage';

/** What a data server answers to /locate: of other servers it says nothing; what it has is at its own address. */
export function locateHere(catalog: Pick<ShardCatalog, 'has'>, address: string) {
  return {
    locate: async (name: ObjectName) => (catalog.has(name) ? address : undefined),
    locateAll: async (name: ObjectName) => (catalog.has(name) ? [address] : []),
  };
}
