import type { ClusterView, Member } from '#cluster';
import type { ServerId } from '#metadata';
import type { ShardStore } from '#storage';
import type { BlobServers } from './blob-servers.js';

/** The servers as the cluster view has them. Peers keep no shards: they know neither blobs nor stamps. */
export class ViewServers implements BlobServers {
  #homes: readonly Member[] = [];
  #candidates: readonly Member[] = [];

  constructor(
    private readonly view: ClusterView,
    readonly storeOf: (member: Member) => ShardStore,
    /** How many there are, where that is known from the start. */
    private readonly total?: number,
  ) {}

  candidates(): readonly Member[] {
    const { homes } = this.view;
    if (homes !== this.#homes) {
      this.#homes = homes;
      this.#candidates = homes.filter(member => member.facts?.state === 'ready' && !member.suspect);
    }
    return this.#candidates;
  }

  countFull(): number {
    return this.view.homes.filter(member => member.facts?.state === 'read-only').length;
  }

  countKnown(): number {
    return this.view.ours.length + this.view.missing.length;
  }

  /** A server that starts before the data servers do must not take the first that beats for all of them. */
  countExpected(): number {
    return this.view.isSettled ? this.countKnown() : (this.total ?? Number.POSITIVE_INFINITY);
  }

  isForgotten(id: ServerId): boolean {
    const { isSettled, ours, missing } = this.view;
    // Whom to miss is learnt from living servers: as long as none of ours is heard, every one may be away.
    return isSettled && ours.length > 0 && this.view.find(id) === undefined && !missing.includes(id);
  }

  find(id: ServerId): Member | undefined {
    const member = this.view.find(id);
    return member?.proven === true && member.kind === 'granary' ? member : undefined;
  }
}
