import { hash } from 'node:crypto';
import type { KeyHash } from '#contracts';
import type { Member } from './member.js';

/**
 * Weighted rendezvous hashing (Thaler and Ravishankar 1998): every server that has the same members
 * ranks them alike for a key, in whatever order they are given, and a member that comes or goes moves
 * only the keys it gains or loses.
 *
 * Servers of ours weigh their total capacity, rounded to a power of two: free space drifts, and with
 * it would the first choices, leaving copies where nobody looks first. Peers all weigh the same and
 * rank after all servers of ours.
 */
export function rankMembers(key: KeyHash, members: readonly Member[]): Member[] {
  const [high, low] = wordsOf(key);
  return members
    .map(member => ({ member, distance: distanceOf(high, low, member) }))
    .toSorted((a, b) => a.distance - b.distance || compareKeys(a.member, b.member))
    .map(({ member }) => member);
}

/** The first of `rankMembers`, without ranking the rest. Undefined when there are no members. */
export function homeOf(key: KeyHash, members: readonly Member[]): Member | undefined {
  const [high, low] = wordsOf(key);
  let home: Member | undefined;
  let nearest = Infinity;
  for (const member of members) {
    const distance = distanceOf(high, low, member);
    if (home === undefined || distance < nearest || (distance === nearest && compareKeys(member, home) < 0)) {
      home = member;
      nearest = distance;
    }
  }
  return home;
}

/** A member's share of the keys, relative to the others of its kind. */
export function weightOf(member: Member): number {
  return member.facts === undefined ? 1 : 2 ** Math.round(Math.log2(Math.max(1, member.facts.capacityBytes)));
}

/** Added to a peer's distance: more than any server of ours can have (-ln(2^-33) with the least weight). */
const PEERS_LAST = 1000;

/** Exponentially distributed with the member's weight as its rate, so that the nearest is chosen in proportion to weights. */
function distanceOf(high: number, low: number, member: Member): number {
  const { seedHigh, seedLow, scale, offset } = traitsOf(member);
  const random = mix(mix(high ^ seedHigh) ^ low ^ seedLow);
  return offset - Math.log((random + 0.5) / 2 ** 32) * scale;
}

interface Traits {
  seedHigh: number;
  seedLow: number;
  scale: number;
  offset: number;
}

/** Members are immutable, so what placement derives from one is derived once. */
const traits = new WeakMap<Member, Traits>();

function traitsOf(member: Member): Traits {
  const known = traits.get(member);
  if (known !== undefined) return known;
  const digest = hash('sha256', member.key, 'buffer');
  const derived = {
    seedHigh: digest.readInt32LE(0),
    seedLow: digest.readInt32LE(4),
    scale: 1 / weightOf(member),
    offset: member.kind === 'peer' ? PEERS_LAST : 0,
  };
  traits.set(member, derived);
  return derived;
}

function wordsOf(key: KeyHash): [number, number] {
  return [Number.parseInt(key.slice(0, 8), 16), Number.parseInt(key.slice(8, 16), 16)];
}

/** The finalizer of MurmurHash3: every bit of the input changes half of the output's. Unsigned. */
function mix(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85_eb_ca_6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2_b2_ae_35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function compareKeys(a: Member, b: Member): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
