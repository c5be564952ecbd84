/**
 * `npm run bench:erasure`: how many GB of data a second Reed–Solomon encodes and reconstructs, with the
 * WebAssembly kernel and with tables, in turns. GB are 10^9 bytes of the k data shards, whether they
 * are read to make parity or are whole again after the loss of m data shards. Seconds are of CPU, of
 * which one stream cannot use more than one at a time, so that what else the machine does counts less.
 *
 * The kernel "copy" only copies what the WebAssembly kernel copies, into its memory and out again: the
 * rest is arithmetic.
 *
 *   --rounds n --milliseconds m   of each measurement; the median of the rounds counts
 *   --shard-bytes b               bytes of a shard in one call
 *   --stripes n                   stripes in turns: 1 stays in the cache, 64 come from memory
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type Kernel, ReedSolomon, TableKernel, fastestKernel } from '#erasure';

/** One operation of one code with one kernel. */
interface Candidate {
  operation: string;
  dataShards: number;
  parityShards: number;
  kernel: string;
  /** Codes the stripe of this turn. */
  run: (turn: number) => void;
  gigabytesPerSecond: number[];
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    milliseconds: { type: 'string', default: '50' },
    'shard-bytes': { type: 'string', default: String(64 * 1024) },
    stripes: { type: 'string', default: '4' },
  },
});
const shardBytes = Number(values['shard-bytes']);
const stripes = Number(values.stripes);

const CODES = [
  { dataShards: 4, parityShards: 2 },
  { dataShards: 2, parityShards: 1 },
  { dataShards: 8, parityShards: 3 },
];

const candidates = CODES.flatMap(({ dataShards, parityShards }) =>
  [fastestKernel, new TableKernel(), copyKernel()].flatMap(kernel => candidatesOf(dataShards, parityShards, kernel)),
);
for (const candidate of candidates) measure(candidate, Number(values.milliseconds));
for (let round = 0; round < Number(values.rounds); round += 1) {
  for (const candidate of candidates) {
    candidate.gigabytesPerSecond.push(measure(candidate, Number(values.milliseconds)));
  }
}
report();

function candidatesOf(dataShards: number, parityShards: number, kernel: Kernel): Candidate[] {
  const coder = new ReedSolomon(dataShards, parityShards, kernel);
  const coded = Array.from({ length: stripes }, () => {
    const data = Array.from({ length: dataShards }, () => randomBytes(shardBytes));
    const parity = Array.from({ length: parityShards }, () => Buffer.alloc(shardBytes));
    coder.encode(data, parity);
    const shards = [...data, ...parity].map((shard, index) => (index < parityShards ? undefined : shard));
    const wanted = parity.map((_, shard) => ({ shard, into: Buffer.alloc(shardBytes) }));
    return { data, parity, shards, wanted };
  });
  const candidate = (operation: string, code: (stripe: (typeof coded)[number]) => void): Candidate => ({
    operation,
    dataShards,
    parityShards,
    kernel: kernel.name,
    run: turn => coded.slice(turn % stripes, (turn % stripes) + 1).forEach(code),
    gigabytesPerSecond: [],
  });
  return [
    candidate('encode', ({ data, parity }) => coder.encode(data, parity)),
    candidate(`reconstruct ${parityShards} data`, ({ shards, wanted }) => coder.reconstruct(shards, wanted)),
  ];
}

/** Through blocks of 32 KiB, as the WebAssembly kernel does it. */
function copyKernel(): Kernel {
  const blockBytes = 32 * 1024;
  const block = new Uint8Array(blockBytes);
  return {
    name: 'copy',
    multiply: (_rows, inputs, outputs) => {
      for (let at = 0; at < shardBytes; at += blockBytes) {
        for (const input of inputs) block.set(input.subarray(at, at + blockBytes));
        for (const output of outputs) output.set(block.subarray(0, shardBytes - at), at);
      }
    },
  };
}

/** GB/s of data. The clock is read every few turns only: a turn can be as short as 10 µs. */
function measure({ run, dataShards }: Candidate, milliseconds: number): number {
  const start = process.cpuUsage();
  for (let turn = 0; ;) {
    for (const end = turn + 8; turn < end; turn += 1) run(turn);
    const { user, system } = process.cpuUsage(start);
    if (user + system >= milliseconds * 1000) return (turn * dataShards * shardBytes) / (user + system) / 1000;
  }
}

function report(): void {
  console.log(`shards of ${shardBytes} bytes, ${stripes} stripes in turns, median of ${values.rounds} rounds\n`);
  console.log('| code | operation | kernel | GB/s | slowest … fastest round | × table |');
  console.log('| --- | --- | --- | --- | --- | --- |');
  for (const each of candidates) {
    const sorted = each.gigabytesPerSecond.toSorted((a, b) => a - b);
    const table = candidates.find(
      ({ kernel, dataShards, operation }) =>
        kernel === 'table' && dataShards === each.dataShards && operation === each.operation,
    );
    console.log(
      `| ${each.dataShards}+${each.parityShards} | ${each.operation} | ${each.kernel} | ${medianOf(each).toFixed(2)} ` +
        `| ${sorted.at(0)?.toFixed(2)} … ${sorted.at(-1)?.toFixed(2)} ` +
        `| ${(medianOf(each) / (table === undefined ? Number.NaN : medianOf(table))).toFixed(1)} |`,
    );
  }
}

function medianOf({ gigabytesPerSecond }: Candidate): number {
  return gigabytesPerSecond.toSorted((a, b) => a - b)[gigabytesPerSecond.length >> 1] ?? Number.NaN;
}
