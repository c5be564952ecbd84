import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hashName, toObjectName, type KeyHash } from '#contracts';
import type { Member } from './member.js';
import { homeOf, rankMembers, weightOf } from './placement.js';
import { memberOf } from './testing/members.js';

const key = fc.uuid().map(text => hashName(toObjectName(text)));
const members = fc
  .uniqueArray(fc.record({ id: fc.stringMatching(/^[a-z0-9]{1,12}$/), gib: fc.integer({ min: 1, max: 4096 }) }), {
    selector: member => member.id,
    minLength: 1,
    maxLength: 12,
  })
  .map(list => list.map(({ id, gib }) => memberOf(id, { capacityBytes: gib * 2 ** 30 })));

function keysOf(count: number): KeyHash[] {
  return Array.from({ length: count }, (_, index) => hashName(toObjectName(`object-${index}`)));
}

function countHomes(keys: readonly KeyHash[], among: readonly Member[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const each of keys) {
    const home = homeOf(each, among)?.key ?? '';
    counts.set(home, (counts.get(home) ?? 0) + 1);
  }
  return counts;
}

describe('placement', () => {
  it('ranks alike in whatever order the members come, and every member once', () => {
    fc.assert(
      fc.property(key, members, fc.integer({ min: 0, max: 11 }), (name, list, turn) => {
        const rank = rankMembers(name, list);
        const rotated = [...list.slice(turn), ...list.slice(0, turn)].toReversed();
        expect(rankMembers(name, rotated)).toEqual(rank);
        expect(new Set(rank)).toEqual(new Set(list));
        expect(homeOf(name, rotated)).toBe(rank[0]);
      }),
    );
  });

  it('keeps the order of the rest when a member leaves, so that only its own keys move', () => {
    fc.assert(
      fc.property(key, members, fc.nat(), (name, list, pick) => {
        const leaving = list[pick % list.length];
        const rank = rankMembers(name, list);
        const after = rankMembers(
          name,
          list.filter(member => member !== leaving),
        );
        expect(after).toEqual(rank.filter(member => member !== leaving));
      }),
    );
  });

  it('does not move a key when beats change anything but a member’s power of two', () => {
    const now = ['a', 'b', 'c'].map(id => memberOf(id, { capacityBytes: 100e9, usedBytes: 0 }));
    const later = ['a', 'b', 'c'].map(id => memberOf(id, { capacityBytes: 104e9, usedBytes: 90e9, sequence: 900 }));
    for (const each of keysOf(200)) {
      expect(rankMembers(each, later).map(member => member.key)).toEqual(
        rankMembers(each, now).map(member => member.key),
      );
    }
  });

  it('spreads keys evenly over equal members', () => {
    const six = ['s1', 's2', 's3', 's4', 's5', 's6'].map(id => memberOf(id));
    const counts = countHomes(keysOf(12_000), six);
    for (const member of six) {
      expect(counts.get(member.key)).toBeGreaterThan(1850);
      expect(counts.get(member.key)).toBeLessThan(2150);
    }
  });

  it('spreads keys in proportion to weights, in every place of the rank', () => {
    const small = memberOf('small', { capacityBytes: 2 ** 30 });
    const large = memberOf('large', { capacityBytes: 2 ** 32 });
    const other = memberOf('other', { capacityBytes: 2 ** 30 });
    const counts = countHomes(keysOf(12_000), [small, large, other]);
    expect((counts.get('large') ?? 0) / 12_000).toBeCloseTo(4 / 6, 1);
    expect(weightOf(large) / weightOf(small)).toBe(4);
  });

  it('ranks every peer after every server of ours, peers evenly among themselves', () => {
    const ours = [memberOf('tiny', { capacityBytes: 0 }), memberOf('huge', { capacityBytes: 2 ** 50 })];
    const peers = ['10.0.0.1:80', '10.0.0.2:80'].map(address => memberOf(address, { kind: 'peer' }));
    for (const each of keysOf(500)) {
      expect(rankMembers(each, [...peers, ...ours]).map(member => member.kind)).toEqual([
        'granary',
        'granary',
        'peer',
        'peer',
      ]);
    }
    expect(countHomes(keysOf(2000), peers).get('peer:10.0.0.1:80')).toBeGreaterThan(900);
  });
});
