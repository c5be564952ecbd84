export {
  ClusterView,
  MAX_VIEW_MEMBERS,
  type ClusterViewOptions,
  type DropReason,
  type ViewEvent,
} from './cluster-view.js';
export type { KnownServer } from './known-servers.js';
export { LogicalClock } from './logical-clock.js';
export type { Member } from './member.js';
export { homeOf, rankMembers, weightOf } from './placement.js';
export { spreadShards } from './spread-shards.js';
