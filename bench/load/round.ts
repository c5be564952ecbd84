import { cpuSeconds } from '../processes.js';
import type { Target } from '../target.js';
import { HttpConnection, type OutgoingRequest } from './http-connection.js';
import type { Answer } from './answer-parser.js';
import { deleteRequest, getRequest, locateRequest, putRequest } from './requests.js';
import type { Scenario } from './scenario.js';

export interface Round {
  operations: number;
  errors: number;
  firstError: string | undefined;
  seconds: number;
  latenciesMs: number[];
  /** Of the server processes; undefined when they are not known. */
  cpuSeconds: number | undefined;
  generatorCpuSeconds: number;
}

/** What a round reads, and how it calls what it writes. */
export interface Keys {
  /** Present at the target, each `sizeBytes` long. */
  present: readonly string[];
  fresh(): string;
}

/** From this size on what a round wrote is deleted after it, where the target can. */
const DELETED_FROM_BYTES = 1024 * 1024;

/** Runs one scenario on one target: a closed loop on `concurrency` connections until the time or the count is used up. */
export async function runRound(target: Target, scenario: Scenario, keys: Keys, durationMs: number): Promise<Round> {
  const connections = connect(target, scenario.concurrency);
  const written: string[] = [];
  const round: Round = {
    operations: 0,
    errors: 0,
    firstError: undefined,
    seconds: 0,
    latenciesMs: [],
    cpuSeconds: undefined,
    generatorCpuSeconds: 0,
  };
  const cpuBefore = cpuSeconds(target.pids);
  const ownCpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  let left = scenario.maxOperations;

  await Promise.all(
    connections.map(async connection => {
      while (left-- > 0 && performance.now() - startedMs < durationMs) {
        const next = nextOperation(target, scenario, keys, written);
        await timed(connection, next, round);
      }
    }),
  );

  round.seconds = (performance.now() - startedMs) / 1000;
  if (target.pids.length > 0) round.cpuSeconds = cpuSeconds(target.pids) - cpuBefore;
  const ownCpu = process.cpuUsage(ownCpuBefore);
  round.generatorCpuSeconds = (ownCpu.user + ownCpu.system) / 1e6;
  for (const connection of connections) connection.close();
  if (scenario.operation === 'put' && scenario.sizeBytes >= DELETED_FROM_BYTES) await remove(target, written);
  return round;
}

/** Stores objects to be read later. Rejects when the target does not take them. */
export async function store(target: Target, names: readonly string[], sizeBytes: number): Promise<void> {
  await eachWith(target, names, async (connection, name) => {
    const answer = await connection.send(putRequest(target, name, sizeBytes));
    if (answer.status >= 300) throw new Error(`${target.name} answered a PUT with ${answer.status}`);
  });
}

/** Deletes as far as the target can; one that cannot keeps them. */
export async function remove(target: Target, names: readonly string[]): Promise<void> {
  await eachWith(target, names, async (connection, name) => {
    await connection.send(deleteRequest(target, name)).catch(() => undefined);
  });
}

/** The status of one GET, for finding out what a target can do. */
export async function probe(target: Target, request: OutgoingRequest): Promise<number> {
  const connection = new HttpConnection(target.host, target.port);
  const answer = await connection.send(request);
  connection.close();
  return answer.status;
}

interface Timed {
  request: OutgoingRequest;
  isRight(answer: Answer): boolean;
}

function nextOperation(target: Target, scenario: Scenario, keys: Keys, written: string[]): Timed {
  const present = keys.present[Math.floor(Math.random() * keys.present.length)] ?? '';
  switch (scenario.operation) {
    case 'put': {
      const name = keys.fresh();
      written.push(name);
      return { request: putRequest(target, name, scenario.sizeBytes), isRight: isSuccess };
    }
    case 'overwrite':
      return { request: putRequest(target, present, scenario.sizeBytes), isRight: isSuccess };
    case 'get':
      return {
        request: getRequest(target, present),
        isRight: answer => answer.status === 200 && answer.bodyBytes === scenario.sizeBytes,
      };
    case 'get-miss':
      return { request: getRequest(target, keys.fresh()), isRight: isMissing };
    case 'locate-hit':
      return { request: locateRequest(target, present), isRight: answer => answer.status === 200 };
    case 'locate-all':
      return { request: locateRequest(target, `${present}?all`), isRight: answer => answer.status === 200 };
    case 'locate-miss':
      return { request: locateRequest(target, keys.fresh()), isRight: isMissing };
  }
}

async function timed(connection: HttpConnection, next: Timed, round: Round): Promise<void> {
  const startedMs = performance.now();
  try {
    const answer = await connection.send(next.request);
    if (!next.isRight(answer)) throw new Error(`status ${answer.status} with ${answer.bodyBytes} bytes`);
    round.operations++;
    round.latenciesMs.push(performance.now() - startedMs);
  } catch (error) {
    round.errors++;
    round.firstError ??= String(error);
    connection.close();
  }
}

async function eachWith(
  target: Target,
  names: readonly string[],
  act: (connection: HttpConnection, name: string) => Promise<void>,
): Promise<void> {
  const connections = connect(target, Math.min(8, names.length));
  const left = [...names];
  await Promise.all(
    connections.map(async connection => {
      for (let name = left.pop(); name !== undefined; name = left.pop()) await act(connection, name);
    }),
  );
  for (const connection of connections) connection.close();
}

function connect(target: Target, count: number): HttpConnection[] {
  return Array.from({ length: count }, () => new HttpConnection(target.host, target.port));
}

function isSuccess(answer: Answer): boolean {
  return answer.status >= 200 && answer.status < 300;
}

function isMissing(answer: Answer): boolean {
  return answer.status === 404;
}
