/**
 * `npm run faults:power-cut -- [--cycles 40] [--fsync-off]`: row 16 of the fault table on a
 * loop-mounted ext4. Needs root. With --fsync-off the loop must find losses: it shows that it can.
 */
import { parseArgs } from 'node:util';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { powerCycles } from './power-cycles.js';

const { values } = parseArgs({
  options: { cycles: { type: 'string', default: '40' }, 'fsync-off': { type: 'boolean', default: false } },
});
const objects = await powerCycles({
  cycles: Number(values.cycles),
  env: values['fsync-off'] ? { STORAGE_FSYNC: 'off' } : {},
  progress: line => console.log(line),
});
removeTempDirectories();
console.log(objects.lost.slice(0, 20).join('\n'));
console.log(`${values.cycles} power cuts: ${String(objects)}`);
process.exitCode = objects.lost.length === 0 ? 0 : 1;
