import { GranaryError, hashName, type ObjectName } from '#contracts';
import { homeOf, type Member } from '#cluster';
import type { ShardStore } from '#storage';
import { cannotTell } from '../cluster/locate-object.js';
import type { ObjectCluster } from './object-cluster.js';

/** Reads at one data server; undefined when the object is not there. */
export type ReadAt<T> = (store: ShardStore) => Promise<T | undefined>;

/** A copy that moves while it is looked for is looked for again, this often at most. */
const MAX_ROUNDS = 3;

/**
 * Reads the copy that counts: at the name's home, without any message; else where a locate finds it.
 * Resolves to undefined only when every server that could have a copy has said no. When that cannot be
 * told, it throws `data-server-unavailable`: never "not found".
 */
export async function findCopy<T>(cluster: ObjectCluster, name: ObjectName, readAt: ReadAt<T>): Promise<T | undefined> {
  const search = new Search(cluster, name, readAt);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const atHome = await search.tryHome();
    if (atHome !== undefined) return atHome;

    const located = await cluster.locate(name, { newest: true });
    const candidates = located.holders.filter(holder => !search.failedAt(holder));
    for (const holder of candidates) {
      const copy = await search.try(holder);
      if (copy !== undefined) return copy;
    }
    if (candidates.length > 0) continue;
    if (search.failure !== undefined) throw search.failure;
    if (located.silent.length > 0) throw cannotTell(name, located);

    // A copy may have moved home after the home was asked and before its former holder was.
    const movedHome = await search.tryHome();
    if (movedHome === undefined && search.failure !== undefined) throw search.failure;
    return movedHome;
  }
  throw search.failure ?? restless(name);
}

/** Where the current copy is, if it is where it belongs; undefined while that server is a suspect. */
export function homeToAsk({ view }: Pick<ObjectCluster, 'view'>, name: ObjectName): Member | undefined {
  const home = homeOf(hashName(name), view.homes);
  return home?.suspect === true ? undefined : home;
}

/** A server that fails leaves the question open, and is not asked twice. */
class Search<T> {
  readonly #failures = new Map<string, GranaryError>();

  constructor(
    private readonly cluster: ObjectCluster,
    private readonly name: ObjectName,
    private readonly readAt: ReadAt<T>,
  ) {}

  get failure(): GranaryError | undefined {
    return this.#failures.values().next().value;
  }

  failedAt(member: Member): boolean {
    return this.#failures.has(member.key);
  }

  async tryHome(): Promise<T | undefined> {
    const home = homeToAsk(this.cluster, this.name);
    return home === undefined || this.failedAt(home) ? undefined : this.try(home);
  }

  async try(member: Member): Promise<T | undefined> {
    try {
      return await this.readAt(this.cluster.storeOf(member));
    } catch (error) {
      if (!leavesOthers(error)) throw error;
      this.#failures.set(member.key, error);
      return undefined;
    }
  }
}

function leavesOthers(error: unknown): error is GranaryError {
  return error instanceof GranaryError && (error.code === 'data-server-unavailable' || error.code === 'object-damaged');
}

function restless(name: ObjectName): GranaryError {
  return new GranaryError('data-server-unavailable', `"${name}" is moving between data servers.`, {
    headers: { 'Retry-After': '1' },
  });
}
