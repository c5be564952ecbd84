import type { BrokerConnections, Part } from './part.js';
import type { Measurement } from './summary.js';

/** One goal, what was measured, and whether it holds; `not measured` when a target or scenario was not run. */
export interface Verdict {
  goal: string;
  measured: string;
  verdict: 'PASS' | 'FAIL' | 'not measured';
}

/** Names of targets that goals speak of. `reference` is another implementation of the protocol, given with --target. */
export const TARGETS = {
  cluster: 'granary-cluster',
  /** One API server of one worker, and one data server. */
  clusterOfTwo: 'granary-cluster-of-two',
  single: 'granary-single',
  full: 'granary-full-sqlite',
  /** With HOT_BLOB_CACHE_BYTES=0: every GET asks data servers. */
  fullCold: 'granary-full-sqlite-cold',
  fullPostgres: 'granary-full-postgres',
  /** With REDUNDANCY=single. */
  standalone: 'granary-standalone-single',
  floor: 'floor-one-hop',
  twoHops: 'floor-two-hops',
  /** As many processes as the cluster has. */
  frames: 'floor-frames',
  framesOfTwo: 'floor-frames-of-two',
  fileEach: 'floor-file-each',
  reference: 'reference',
} as const;

/** The goals of the plain cluster, the single node, the full cluster and standalone; each with what was measured in turns. */
export function checkGoals(parts: readonly Part[]): Verdict[] {
  const find = (target: string, scenario: string) => findIn(partOf(target, parts), target, scenario);
  const {
    cluster,
    clusterOfTwo,
    frames,
    single,
    full,
    fullCold,
    fullPostgres,
    standalone,
    floor,
    fileEach,
    reference,
  } = TARGETS;
  const ratio = (goal: string, scenario: string, figure: Figure, [a, b]: readonly [string, string], bound: Bound) =>
    compare(goal, figure, find(a, scenario), findIn(partOf(a, parts), b, scenario), bound);

  return [
    ratio('GET 1 KiB c32: CPU ≤ 5 × floor', 'get-1KiB-c32', cpu, [cluster, floor], { atMost: 5 }),
    ratio(
      'GET 1 KiB c32, one worker and one data server: CPU ≤ 5 × floor',
      'get-1KiB-c32',
      cpu,
      [clusterOfTwo, floor],
      {
        atMost: 5,
      },
    ),
    ratio('GET 1 KiB c32: CPU ≤ 2.5 × raw frames', 'get-1KiB-c32', cpu, [cluster, frames], { atMost: 2.5 }),
    ratio('GET 64 KiB c32: CPU ≤ 6 × floor', 'get-64KiB-c32', cpu, [cluster, floor], { atMost: 6 }),
    ratio('GET 1 KiB c32: ≥ 30 × reference', 'get-1KiB-c32', rate, [cluster, reference], { atLeast: 30 }),
    ratio('GET 64 KiB c32: ≥ 30 × reference', 'get-64KiB-c32', rate, [cluster, reference], { atLeast: 30 }),
    ratio('GET 64 MiB c32: CPU ≤ 6 × floor', 'get-64MiB-c32', cpu, [cluster, floor], { atMost: 6 }),
    ratio('GET 64 MiB c32: ahead of reference', 'get-64MiB-c32', rate, [cluster, reference], { atLeast: 1 }),
    ratio('PUT 1 KiB durable c32: ≥ 2 × reference', 'put-1KiB-c32', rate, [cluster, reference], { atLeast: 2 }),
    ratio(
      'PUT 1 KiB durable c32, single node: ≥ 5 × raw node writing a file each',
      'put-1KiB-c32',
      rate,
      [single, fileEach],
      { atLeast: 5 },
    ),
    ratio('PUT 64 MiB durable c32: ≥ reference', 'put-64MiB-c32', rate, [cluster, reference], { atLeast: 1 }),
    absolute('GET miss: p50 ≤ 10 ms', find(cluster, 'get-miss-c1'), p50, { atMost: 10 }),
    absolute('locate hit: p50 ≤ 3 ms', find(cluster, 'locate-hit-c1'), p50, { atMost: 3 }),
    absolute('locate hit c64: ≥ 3000/s', find(cluster, 'locate-hit-c64'), rate, { atLeast: 3000 }),
    constantConnections(partOf(cluster, parts)?.brokerConnections),
    ratio('full, SQLite: GET 1 KiB c32, from memory: CPU ≤ 4 × floor', 'get-1KiB-c32', cpu, [full, floor], {
      atMost: 4,
    }),
    ratio('full, SQLite: GET 1 KiB c32, from data servers: CPU ≤ 4 × floor', 'get-1KiB-c32', cpu, [fullCold, floor], {
      atMost: 4,
    }),
    ratio('full, PostgreSQL: GET 1 KiB c32, from memory: CPU ≤ 8 × floor', 'get-1KiB-c32', cpu, [fullPostgres, floor], {
      atMost: 8,
    }),
    ratio('full: GET 64 MiB c1: CPU ≤ 5 × floor', 'get-64MiB-c1', cpu, [full, floor], { atMost: 5 }),
    absolute('full: PUT 1 KiB c32, 3 copies: ≥ 3000/s', find(full, 'put-1KiB-c32'), rate, { atLeast: 3000 }),
    absolute('full: PUT 64 MiB c1, 4+2: ≤ 3.5 ns per byte', find(full, 'put-64MiB-c1'), nanosPerByte, { atMost: 3.5 }),
    ratio(
      'standalone, one copy: GET 1 KiB c32, from memory: CPU ≤ 2.5 × floor',
      'get-1KiB-c32',
      cpu,
      [standalone, floor],
      {
        atMost: 2.5,
      },
    ),
    absolute('standalone, one copy: PUT 1 KiB c32: ≥ 6000/s', find(standalone, 'put-1KiB-c32'), rate, {
      atLeast: 6000,
    }),
  ];
}

function partOf(target: string, parts: readonly Part[]): Part | undefined {
  return parts.find(({ measurements }) => measurements.some(measurement => measurement.target === target));
}

function findIn(part: Part | undefined, target: string, scenario: string): Measurement | undefined {
  return part?.measurements.find(measurement => measurement.target === target && measurement.scenario === scenario);
}

type Bound = { atMost: number } | { atLeast: number };

interface Figure {
  unit: string;
  of(measurement: Measurement): number | undefined;
}

const cpu: Figure = { unit: 'µs CPU', of: measurement => measurement.cpuMicrosPerOperation };
/** Of the 64 MiB that such a scenario moves. */
const nanosPerByte: Figure = {
  unit: 'ns CPU per byte',
  of: ({ cpuMicrosPerOperation }) =>
    cpuMicrosPerOperation === undefined ? undefined : (cpuMicrosPerOperation * 1000) / 2 ** 26,
};
const rate: Figure = { unit: '/s', of: measurement => measurement.requestsPerSecond };
const p50: Figure = { unit: 'ms', of: measurement => measurement.p50Ms };

function compare(
  goal: string,
  figure: Figure,
  ours: Measurement | undefined,
  theirs: Measurement | undefined,
  bound: Bound,
): Verdict {
  const [a, b] = [ours && figure.of(ours), theirs && figure.of(theirs)];
  if (a === undefined || b === undefined || b === 0) return notMeasured(goal);
  const measured = `${(a / b).toFixed(2)} × (${a.toFixed(0)} to ${b.toFixed(0)} ${figure.unit})`;
  return { goal, measured, verdict: holds(a / b, bound) };
}

function absolute(goal: string, ours: Measurement | undefined, figure: Figure, bound: Bound): Verdict {
  const value = ours && figure.of(ours);
  if (value === undefined || Number.isNaN(value)) return notMeasured(goal);
  return { goal, measured: `${value.toFixed(1)} ${figure.unit}`, verdict: holds(value, bound) };
}

function constantConnections(broker: BrokerConnections | undefined): Verdict {
  const goal = 'broker connections constant under load';
  if (broker === undefined) return notMeasured(goal);
  const measured = `${broker.before} before, at most ${broker.peak} under load`;
  return { goal, measured, verdict: broker.peak <= broker.before ? 'PASS' : 'FAIL' };
}

function holds(value: number, bound: Bound): 'PASS' | 'FAIL' {
  const held = 'atMost' in bound ? value <= bound.atMost : value >= bound.atLeast;
  return held ? 'PASS' : 'FAIL';
}

function notMeasured(goal: string): Verdict {
  return { goal, measured: '', verdict: 'not measured' };
}
