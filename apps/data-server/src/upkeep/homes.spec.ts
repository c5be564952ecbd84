import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SERVER_STATES, hashName, toObjectName, type ServerState } from '#contracts';
import { rankMembers, type Member } from '#cluster';
import { Homes } from './homes.js';

function memberOf(key: string, state: ServerState): Member {
  const facts = { serverId: key, bootId: `${key}-1`, sequence: 1, state, members: [] };
  const sizes = { capacityBytes: 2 ** 40, usedBytes: 0, clock: 0 };
  const beat = { lastBeatMs: 0, lastBeatAt: new Date(0) };
  return {
    key,
    address: `${key}:1`,
    kind: 'granary',
    facts: { ...facts, ...sizes },
    ...beat,
    proven: true,
    suspect: false,
  };
}

describe('Homes', () => {
  const states = fc.array(fc.constantFrom(...SERVER_STATES), { minLength: 1, maxLength: 6 });

  it('moves an entry to its home once that is ready, and tells those who rank before all that serve', () => {
    fc.assert(
      fc.property(states, fc.nat({ max: 1000 }), ([own = 'ready', ...others], serial) => {
        const self = memberOf('self', own === 'leaving' ? 'ready' : own);
        const rest = others.map((state, index) => memberOf(`other-${index}`, state));
        const hash = hashName(toObjectName(`name-${serial}`));
        const homes = new Homes(self, rest);

        const staying = rest.filter(({ facts }) => facts?.state !== 'leaving');
        const rank = rankMembers(hash, [self, ...staying]);
        const [home] = rank;
        expect(homes.moveTo(hash)).toBe(home !== self && home?.facts?.state === 'ready' ? home : undefined);

        const serving = rank.findIndex(member => member === self || member.facts?.state !== 'joining');
        expect(homes.mustHear(hash)).toEqual(rank.slice(0, serving));
      }),
      { numRuns: 500 },
    );
  });
});
