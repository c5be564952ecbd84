import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hashName, toObjectName } from '#contracts';
import type { Member } from './member.js';
import { rankMembers } from './placement.js';
import { spreadShards } from './spread-shards.js';
import { memberOf } from './testing/members.js';

const key = fc.uuid().map(text => hashName(toObjectName(text)));
const zones = fc.constantFrom('a', 'b', 'c', undefined);
const members = fc
  .uniqueArray(
    fc.record({ id: fc.stringMatching(/^[a-z0-9]{1,12}$/), gib: fc.integer({ min: 1, max: 64 }), zone: zones }),
    { selector: member => member.id, minLength: 1, maxLength: 14 },
  )
  .map(list => list.map(({ id, gib, zone }) => memberOf(id, { capacityBytes: gib * 2 ** 30, ...(zone && { zone }) })));
const count = fc.integer({ min: 0, max: 16 });

function perZone(chosen: readonly Member[]): Map<string | undefined, number> {
  const counts = new Map<string | undefined, number>();
  for (const { facts } of chosen) counts.set(facts?.zone, (counts.get(facts?.zone) ?? 0) + 1);
  return counts;
}

describe('spreadShards', () => {
  it('chooses different servers, as many as asked for or as there are', () => {
    fc.assert(
      fc.property(key, members, count, (name, list, wanted) => {
        const chosen = spreadShards(name, list, wanted);
        expect(new Set(chosen).size).toBe(chosen.length);
        expect(chosen.length).toBe(Math.min(wanted, list.length));
      }),
    );
  });

  it('takes a second server of a zone only when every zone has given one, and so on', () => {
    fc.assert(
      fc.property(key, members, count, (name, list, wanted) => {
        const there = perZone(list);
        const counts = perZone(spreadShards(name, list, wanted));
        const most = Math.max(0, ...counts.values());
        for (const [zone, available] of there) {
          expect(counts.get(zone) ?? 0).toBeGreaterThanOrEqual(Math.min(available, most - 1));
        }
      }),
    );
  });

  it('prefers within a zone, and without zones everywhere, those that rank first', () => {
    fc.assert(
      fc.property(key, members, count, (name, list, wanted) => {
        const rank = rankMembers(name, list);
        const chosen = spreadShards(name, list, wanted);
        for (const [zone, taken] of perZone(chosen)) {
          const inZone = (member: Member): boolean => member.facts?.zone === zone;
          expect(chosen.filter(inZone)).toEqual(rank.filter(inZone).slice(0, taken));
        }
        const zoneless = list.map(member => memberOf(member.key, { capacityBytes: member.facts?.capacityBytes ?? 0 }));
        expect(spreadShards(name, zoneless, wanted)).toEqual(rankMembers(name, zoneless).slice(0, wanted));
      }),
    );
  });

  it('chooses alike in whatever order the members come, and the same first when asked for more', () => {
    fc.assert(
      fc.property(key, members, count, fc.nat({ max: 13 }), (name, list, wanted, turn) => {
        const chosen = spreadShards(name, list, wanted);
        const rotated = [...list.slice(turn), ...list.slice(0, turn)].toReversed();
        expect(spreadShards(name, rotated, wanted)).toEqual(chosen);
        expect(spreadShards(name, list, wanted + 1).slice(0, wanted)).toEqual(chosen);
      }),
    );
  });

  it('replaces a server that goes by one other, and keeps the rest', () => {
    fc.assert(
      fc.property(key, members, count, fc.nat(), (name, list, wanted, pick) => {
        const leaving = list[pick % list.length];
        const before = spreadShards(name, list, wanted);
        const left = list.filter(member => member !== leaving);
        const after = new Set(spreadShards(name, left, wanted));
        for (const member of before) if (member !== leaving) expect(after).toContain(member);
      }),
      { numRuns: 500 },
    );
  });
});
