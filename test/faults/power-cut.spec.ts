import { afterAll, describe, expect } from '@jest/globals';
import { it } from '../harness/it.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { powerCycles } from './power-cycles.js';

/** Enough to find a missing fsync; `npm run faults:power-cut -- --cycles 40` runs as many as one likes. */
const CYCLES = 15;

afterAll(async () => {
  await endAllServers();
  removeTempDirectories();
});

describe('a power cut (row 16)', () => {
  it(`${CYCLES} times: no acknowledged object is lost; what was in flight is old or new`, async () => {
    const objects = await powerCycles({ cycles: CYCLES });
    console.log(String(objects));
    expect(objects.lost).toEqual([]);
    expect(objects.writes).toBeGreaterThan(CYCLES);
  }, 600_000);
});
