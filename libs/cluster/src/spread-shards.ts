import type { KeyHash } from '#contracts';
import type { Member } from './member.js';
import { rankMembers } from './placement.js';

/**
 * The servers for the shards of one segment: all different, as few as can be in one zone, and apart
 * from that those that rank first for the key (`rankMembers`). Fewer than `count` when there are no
 * more members. Servers that say no zone count as one zone together, as nothing is known of them.
 *
 * Those that are asked for more get the same servers first, so that whoever needs another after a
 * failure takes the next. All who have the same members agree; a member that goes is replaced by one
 * other, and the rest stay.
 */
export function spreadShards(key: KeyHash, members: readonly Member[], count: number): Member[] {
  const rank = rankMembers(key, members);
  if (!members.some(member => member.facts?.zone !== undefined)) return rank.slice(0, count);
  const taken = new Map<string | undefined, number>();
  const byRound: Member[][] = [];
  for (const member of rank) {
    const zone = member.facts?.zone;
    const round = taken.get(zone) ?? 0;
    taken.set(zone, round + 1);
    (byRound[round] ??= []).push(member);
  }
  return byRound.flat().slice(0, count);
}
