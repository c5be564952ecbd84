import type { Note, Verdict } from '#contracts';
import type { Member } from '#cluster';
import type { ShardStore } from '#storage';

/** The other data servers, as upkeep speaks to them. Rejections are GranaryErrors; every call has a deadline. */
export interface Neighbours {
  /** One verdict per note, in order. */
  compare(member: Member, notes: readonly Note[]): Promise<Verdict[]>;
  /** Tells a joining server that it has heard everything from this one. */
  sayDone(member: Member): Promise<void>;
  storeOf(member: Member): ShardStore;
  /** Closes the connections to all other servers. */
  retain(members: readonly Member[]): void;
}
