import type { ClusterView, LogicalClock, Member } from '#cluster';
import type { ShardStore } from '#storage';
import type { LocateObject } from '../cluster/locate-object.js';

/** What the operations on objects work with. */
export interface ObjectCluster {
  view: ClusterView;
  /**
   * The store of a proven member. Its operations have deadlines, and it tells the view itself about
   * connections that fail, so that a dead or hung server is a suspect by the time the error is seen.
   */
  storeOf: (member: Member) => ShardStore;
  locate: LocateObject;
  clock: LogicalClock;
}
