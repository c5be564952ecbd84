import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { startBroker, type Broker } from '../../tools/broker.js';
import { it } from '../harness/it.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { killCycles } from './kill-cycles.js';
import { powerCycles } from './power-cycles.js';

/** `npm run soak` has 200 of each. */
const CYCLES = 20;
let broker: Broker;

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(async () => {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
});

describe('a full cluster', () => {
  it(`${CYCLES} times with servers killed (rows 2 and 19): no acknowledged object is lost, torn or wrong`, async () => {
    const seen: string[] = [];
    const progress = (line: string) => seen.push(line);
    const objects = await killCycles({ brokerUrl: broker.url, cycles: CYCLES, progress }).catch((error: unknown) => {
      throw new Error(seen.join('\n'), { cause: error });
    });
    console.log([...seen.slice(0, 1), ...seen.slice(-1)].join('\n'));
    expect(objects.lost).toEqual([]);
    expect(objects.writes).toBeGreaterThan(10 * CYCLES);
    expect(objects.late).toBeLessThan(objects.writes / 10);
  }, 300_000);

  it(`${CYCLES} times with its power cut (row 16), and its database's: likewise`, async () => {
    const objects = await powerCycles({ store: 'standalone', cycles: CYCLES });
    console.log(String(objects));
    expect(objects.lost).toEqual([]);
    expect(objects.writes).toBeGreaterThan(10 * CYCLES);
    expect(objects.late).toBeLessThan(objects.writes / 10);
  }, 300_000);
});
