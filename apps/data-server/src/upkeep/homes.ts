import type { KeyHash } from '#contracts';
import { homeOf, rankMembers, type Member } from '#cluster';

/**
 * Where names belong while the servers are these: a snapshot, to be made anew when one of them changes.
 *
 * A server that is still joining counts here (it will be home for its names in a moment), so nothing
 * is moved twice; it is told what others hold of its names, and gets them when it is ready.
 */
export class Homes {
  readonly #candidates: readonly Member[];
  readonly #hasJoiners: boolean;

  constructor(
    private readonly self: Member,
    others: readonly Member[],
  ) {
    this.#candidates = [self, ...others.filter(member => member.facts?.state !== 'leaving')];
    this.#hasJoiners = others.some(isJoining);
  }

  get joiners(): Member[] {
    return this.#candidates.filter(member => member !== this.self && isJoining(member));
  }

  /** The server to which this server's copy must go. Undefined when it may stay, or has to wait: its home is joining or read-only. */
  moveTo(hash: KeyHash): Member | undefined {
    const home = homeOf(hash, this.#candidates);
    return home === this.self || home?.facts?.state !== 'ready' ? undefined : home;
  }

  /**
   * Joining servers that must learn what this server holds of the name before they are ready: each of
   * them ranks before every server that serves the name now.
   */
  mustHear(hash: KeyHash): Member[] {
    if (!this.#hasJoiners) return [];
    // Asked of every entry; to rank all servers costs several times as much as to find the first.
    const home = homeOf(hash, this.#candidates);
    if (home === undefined || home === this.self || !isJoining(home)) return [];
    const rank = rankMembers(hash, this.#candidates);
    const servingNow = rank.findIndex(member => member === this.self || !isJoining(member));
    return rank.slice(0, servingNow);
  }

  /** Changes whenever a server becomes or ceases to be home for names. */
  get servingIds(): string {
    return this.#candidates
      .filter(member => !isJoining(member))
      .map(member => member.key)
      .toSorted()
      .join(' ');
  }
}

function isJoining(member: Member): boolean {
  return member.facts?.state === 'joining';
}
