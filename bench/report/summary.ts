import type { Round } from '../load/round.js';
import type { Scenario } from '../load/scenario.js';

/** All rounds of one scenario on one target, in the figures that are reported. */
export interface Measurement {
  scenario: string;
  title: string;
  target: string;
  operations: number;
  errors: number;
  firstError: string | undefined;
  /** Median of the rounds. */
  requestsPerSecond: number;
  /** Undefined where no object is moved. */
  megabytesPerSecond: number | undefined;
  p50Ms: number;
  p99Ms: number;
  /** Of all server processes, over all rounds; undefined when they are not known. */
  cpuMicrosPerOperation: number | undefined;
  cpuNanosPerByte: number | undefined;
  generatorCpuMicrosPerOperation: number;
}

export function summarize(scenario: Scenario, target: string, rounds: readonly Round[]): Measurement {
  const operations = sum(rounds.map(round => round.operations));
  const latencies = Float64Array.from(rounds.flatMap(round => round.latenciesMs)).sort();
  const requestsPerSecond = median(rounds.map(round => round.operations / round.seconds));
  const cpuSeconds = rounds.every(round => round.cpuSeconds !== undefined)
    ? sum(rounds.map(round => round.cpuSeconds ?? 0))
    : undefined;
  const perOperation = cpuSeconds === undefined || operations === 0 ? undefined : cpuSeconds / operations;
  return {
    scenario: scenario.id,
    title: scenario.title,
    target,
    operations,
    errors: sum(rounds.map(round => round.errors)),
    firstError: rounds.find(round => round.firstError !== undefined)?.firstError,
    requestsPerSecond,
    megabytesPerSecond: scenario.sizeBytes === 0 ? undefined : (requestsPerSecond * scenario.sizeBytes) / 1e6,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    cpuMicrosPerOperation: perOperation === undefined ? undefined : perOperation * 1e6,
    cpuNanosPerByte:
      perOperation === undefined || scenario.sizeBytes === 0 ? undefined : (perOperation / scenario.sizeBytes) * 1e9,
    generatorCpuMicrosPerOperation: (sum(rounds.map(round => round.generatorCpuSeconds)) / operations) * 1e6,
  };
}

function percentile(sorted: Float64Array, fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
