import { getRequest, locateRequest } from './load/requests.js';
import { probe, remove, runRound, store, type Keys, type Round } from './load/round.js';
import type { Scenario } from './load/scenario.js';
import { connectionsTo, peakRssBytes, resetPeakRss } from './processes.js';
import type { BrokerConnections, Part } from './report/part.js';
import { summarize, type Measurement } from './report/summary.js';
import type { Target } from './target.js';

export interface MeasureOptions {
  targets: readonly Target[];
  scenarios: readonly Scenario[];
  brokerPort: number | undefined;
  rounds: number;
  secondsPerRound: number;
  warmUpSeconds: number;
  progress(line: string): void;
}

/** How many objects of a size are there to be read: enough that no single one is hot, few enough to be stored quickly. */
const PRESENT_BYTES = 256 * 1024 * 1024;
const MAX_PRESENT = 2_000;
const WARM_UP: Scenario = {
  id: 'warm-up',
  title: 'warm-up',
  operation: 'get',
  sizeBytes: 1024,
  concurrency: 32,
  maxOperations: Number.POSITIVE_INFINITY,
};

/** Runs every scenario on every target, round by round in turns, so that what disturbs one disturbs all. */
export async function measure(options: MeasureOptions): Promise<Omit<Part, 'name'>> {
  const run = `bench-${Date.now().toString(36)}`;
  const locating = new Set<Target>();
  for (const target of options.targets) {
    if (await warmUp(target, run, options)) locating.add(target);
    resetPeakRss(target.pids);
  }
  // Not before: workers connect when the first already serves.
  const broker = watchBroker(options.brokerPort);

  const measurements: Measurement[] = [];
  for (const scenario of options.scenarios) {
    const targets = options.targets.filter(target => !isAboutLocate(scenario) || locating.has(target));
    const prefix = `${run}-${scenario.id}`;
    const present = presentNames(prefix, scenario);
    for (const target of targets) await store(target, present, presentSize(scenario));
    const rounds = await inTurns(targets, scenario, prefix, present, options, broker);
    for (const target of targets) await remove(target, present);
    for (const target of targets) {
      const measurement = summarize(scenario, target.name, rounds.get(target) ?? []);
      measurements.push(measurement);
      options.progress(progressLine(measurement));
    }
  }
  return { measurements, peakRss: options.targets.map(peakOf), brokerConnections: broker?.connections };
}

async function inTurns(
  targets: readonly Target[],
  scenario: Scenario,
  prefix: string,
  present: readonly string[],
  options: MeasureOptions,
  broker: BrokerWatch | undefined,
): Promise<Map<Target, Round[]>> {
  const rounds = new Map<Target, Round[]>(targets.map(target => [target, []]));
  let serial = 0;
  const keys: Keys = { present, fresh: () => `${prefix}-fresh-${serial++}` };
  if (scenario.operation === 'get') {
    // Not counted: what a store keeps in memory once it was read is there when the first round begins.
    for (const target of targets) await runRound(target, scenario, keys, options.secondsPerRound * 1000);
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const target of targets) {
      rounds.get(target)?.push(await runRound(target, scenario, keys, options.secondsPerRound * 1000));
      broker?.look();
    }
  }
  return rounds;
}

/** Mixed small requests, until Node has compiled what it will run. Resolves to whether the target knows /locate. */
async function warmUp(target: Target, run: string, options: MeasureOptions): Promise<boolean> {
  options.progress(`warming up ${target.name} (${target.pids.length} processes)`);
  const present = Array.from({ length: 100 }, (_, index) => `${run}-warm-${index}`);
  const keys: Keys = { present, fresh: () => `${run}-warm-missing` };
  await store(target, present, WARM_UP.sizeBytes);
  const halfMs = (options.warmUpSeconds * 1000) / 2;
  await runRound(target, { ...WARM_UP, operation: 'overwrite' }, keys, halfMs);
  await runRound(target, WARM_UP, keys, halfMs);
  const [hit, miss] = [present[0] ?? '', keys.fresh()];
  if ((await probe(target, getRequest(target, hit))) !== 200) throw new Error(`${target.name} lost an object`);
  return (
    (await probe(target, locateRequest(target, hit))) === 200 &&
    (await probe(target, locateRequest(target, miss))) === 404
  );
}

function presentNames(prefix: string, scenario: Scenario): string[] {
  if (scenario.operation === 'put') return [];
  const count = Math.max(4, Math.min(MAX_PRESENT, Math.floor(PRESENT_BYTES / presentSize(scenario))));
  return Array.from({ length: count }, (_, index) => `${prefix}-present-${index}`);
}

function presentSize(scenario: Scenario): number {
  return scenario.sizeBytes === 0 ? 1024 : scenario.sizeBytes;
}

function isAboutLocate(scenario: Scenario): boolean {
  return scenario.operation.startsWith('locate');
}

function peakOf(target: Target): Part['peakRss'][number] {
  const peaks = peakRssBytes(target.pids);
  return {
    target: target.name,
    processes: peaks.length,
    largestBytes: Math.max(0, ...peaks),
    sumBytes: peaks.reduce((sum, peak) => sum + peak, 0),
  };
}

interface BrokerWatch {
  connections: BrokerConnections;
  look(): void;
}

function watchBroker(port: number | undefined): BrokerWatch | undefined {
  if (port === undefined) return undefined;
  const before = connectionsTo(port);
  const connections = { before, peak: before };
  return { connections, look: () => (connections.peak = Math.max(connections.peak, connectionsTo(port))) };
}

function progressLine({ title, target, requestsPerSecond, p50Ms, errors }: Measurement): string {
  return `${title.padEnd(20)} ${target.padEnd(20)} ${requestsPerSecond.toFixed(0).padStart(7)}/s  p50 ${p50Ms.toFixed(2)} ms  ${errors} errors`;
}
