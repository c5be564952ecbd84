/**
 * `npm run soak -- [--cycles 200] [--only kill|power] [--seed n] [--fsync-off]`: rows 2, 16 and 19 of the fault
 * table again and again. The kill loop ends servers of a full cluster with kill -9; the power loop cuts the power
 * of the disk under a standalone one, and needs root. Nothing acknowledged may be lost, torn or wrong. With
 * --fsync-off the power loop must find losses: it shows that it can.
 */
import { parseArgs } from 'node:util';
import { startBroker } from '../../tools/broker.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import type { AcknowledgedObjects } from './acknowledged-objects.js';
import { killCycles } from './kill-cycles.js';
import { powerCycles } from './power-cycles.js';

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '200' },
    only: { type: 'string' },
    seed: { type: 'string' },
    'fsync-off': { type: 'boolean', default: false },
  },
});
const cycles = Number(values.cycles);
const progress = (line: string) => console.log(line);

try {
  if (values.only !== 'power') conclude(`${cycles} kills`, await kills());
  if (values.only !== 'kill') conclude(`${cycles} power cuts`, await powerCuts());
} finally {
  removeTempDirectories();
}

async function kills(): Promise<AcknowledgedObjects> {
  const broker = await startBroker();
  try {
    const seed = values.seed === undefined ? {} : { seed: Number(values.seed) };
    return await killCycles({ brokerUrl: broker.url, cycles, progress, ...seed });
  } finally {
    await broker.stop();
  }
}

function powerCuts(): Promise<AcknowledgedObjects> {
  const env = values['fsync-off'] ? { STORAGE_FSYNC: 'off' } : {};
  return powerCycles({ store: 'standalone', cycles, progress, env });
}

function conclude(what: string, objects: AcknowledgedObjects): void {
  console.log(objects.lost.slice(0, 20).join('\n'));
  console.log(`${what}: ${String(objects)}`);
  if (objects.lost.length > 0) process.exitCode = 1;
}
