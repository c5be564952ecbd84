import type { Member } from '#cluster';
import type { ServerId } from '#metadata';
import type { ShardStore } from '#storage';

/** What blobs need of the cluster: whom to give shards, and where those of a layout are. */
export interface BlobServers {
  /** Servers of ours that take new shards: live, `ready`, and not suspect. */
  candidates(): readonly Member[];
  /** Live servers of ours that take none because their disk is full. */
  countFull(): number;
  /** Servers that belong to the cluster, live or missing. */
  countKnown(): number;
  /** What a scheme may count on in the long run: the known ones; without limit while others may live that have not been heard. */
  countExpected(): number;
  /**
   * Neither live nor missing: what was there will not come back. False for one that is away, and while
   * nobody has said yet who belongs to the cluster.
   */
  isForgotten(id: ServerId): boolean;
  /** A live server by its id, in whatever state; it may be a suspect. */
  find(id: ServerId): Member | undefined;
  /**
   * Its operations have deadlines, and it tells the view itself about connections that fail. It hears
   * of a hung server only if it is left to wait for it: operations that are given up are not aborted at once.
   */
  storeOf(member: Member): ShardStore;
}
