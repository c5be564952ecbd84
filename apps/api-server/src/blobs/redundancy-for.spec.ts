import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { schemeOf, toRedundancy } from '#metadata';
import { redundancyFor, writeQuorumOf } from './redundancy-for.js';

const settings = fc.oneof(
  fc.constant('single'),
  fc.integer({ min: 1, max: 9 }).map(count => `copies:${count}`),
  fc
    .record({ data: fc.integer({ min: 1, max: 16 }), parity: fc.integer({ min: 1, max: 8 }) })
    .map(({ data, parity }) => `ec:${data}+${parity}`),
);

describe('redundancyFor', () => {
  it.each([
    ['ec:4+2', 'large', 6, 'ec:4+2'],
    ['ec:4+2', 'large', 9, 'ec:4+2'],
    ['ec:4+2', 'small', 6, 'copies:3'],
    ['ec:4+2', 'large', 5, 'copies:3'],
    ['ec:4+2', 'large', 2, 'copies:2'],
    ['ec:4+2', 'large', 1, 'single'],
    ['ec:4+2', 'large', 0, 'single'],
    ['ec:2+1', 'large', 3, 'ec:2+1'],
    ['ec:2+1', 'small', 3, 'copies:2'],
    ['copies:3', 'small', 6, 'copies:3'],
    ['copies:3', 'large', 6, 'copies:3'],
    ['copies:3', 'large', 2, 'copies:2'],
    ['copies:3', 'small', 1, 'single'],
    ['copies:1', 'large', 6, 'single'],
    ['single', 'large', 6, 'single'],
  ] as const)('makes of %s for a %s content on %i servers %s', (asked, content, servers, result) => {
    expect(redundancyFor(toRedundancy(asked), content, servers)).toBe(result);
  });

  it('never asks for more shards than servers, and bears as many losses as was asked when there are servers enough', () => {
    fc.assert(
      fc.property(
        settings,
        fc.constantFrom('small', 'large'),
        fc.integer({ min: 1, max: 30 }),
        (asked, content, known) => {
          const wanted = schemeOf(toRedundancy(asked));
          const scheme = schemeOf(redundancyFor(toRedundancy(asked), content, known));
          expect(scheme.shards).toBeLessThanOrEqual(known);
          const losses = wanted.shards - wanted.needed;
          expect(scheme.shards - scheme.needed).toBe(Math.min(losses, known - 1));
        },
      ),
    );
  });
});

describe('writeQuorumOf', () => {
  it.each([
    ['single', 1],
    ['copies:2', 2],
    ['copies:3', 2],
    ['copies:4', 3],
    ['copies:5', 3],
    ['ec:4+2', 5],
    ['ec:2+1', 3],
    ['ec:8+3', 9],
  ])('of %s is %i', (redundancy, quorum) => {
    expect(writeQuorumOf(schemeOf(toRedundancy(redundancy)))).toBe(quorum);
  });
});
