import { MAX_MEMBERS } from '#contracts';

/** A server of ours that was once heard and proven. Data servers keep these in their directories. */
export interface KnownServer {
  serverId: string;
  address: string;
  /** Wall clock, ms since 1970. */
  lastSeenAtMs: number;
}

/**
 * The servers that belong to the cluster as far as this one heard them itself. Hearsay is kept out:
 * servers that pass on what they were told would keep each other from ever forgetting anyone.
 */
export class KnownServers {
  readonly #servers: Map<string, KnownServer>;

  constructor(
    remembered: readonly KnownServer[],
    private readonly forgetAfterMs: number,
  ) {
    this.#servers = new Map(remembered.slice(0, MAX_MEMBERS).map(server => [server.serverId, server]));
  }

  /** When there are too many, the one silent for longest is forgotten. */
  heard(server: KnownServer): void {
    this.#servers.delete(server.serverId);
    this.#servers.set(server.serverId, server);
    for (const oldest of this.#servers.keys()) {
      if (this.#servers.size <= MAX_MEMBERS) break;
      this.#servers.delete(oldest);
    }
  }

  get(serverId: string): KnownServer | undefined {
    return this.#servers.get(serverId);
  }

  forget(serverId: string): boolean {
    return this.#servers.delete(serverId);
  }

  forgetSilent(nowMs: number): void {
    for (const server of this.#servers.values()) {
      if (nowMs - server.lastSeenAtMs > this.forgetAfterMs) this.#servers.delete(server.serverId);
    }
  }

  list(): KnownServer[] {
    return [...this.#servers.values()];
  }
}
