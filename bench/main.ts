/**
 * `npm run bench`: PUT and GET at four sizes and two concurrencies, misses and locates, on any number
 * of stores in turns, with the CPU and memory of their processes. Granary is measured in each way it
 * runs, one after the other, each beside the floors and the given targets: what the servers of another
 * way do while they idle would cost a machine with two cores a quarter of its figures.
 *
 *   npm run bench                                        Granary in every way it runs, and the floors
 *   npm run bench -- --target ours=http://127.0.2.1:12345 --target theirs=http://127.0.2.9:12345
 *
 *   --target name=url       a store to measure; repeatable. Without any, Granary is started from dist/
 *   --pid name=pid,pid      its server processes; else those that listen on the port, and their children
 *   --with-granary          start Granary beside the given targets too
 *   --way text              only ways to run Granary whose name contains the text; repeatable
 *   --only text             only scenarios whose id contains the text; repeatable
 *   --rounds n --seconds s --warm-up s --workers n
 *   --quick                 one short round: for trying out, not for figures
 *   --output directory      where the JSON and the Markdown go; default bench/results
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { removeTempDirectories } from '../test/harness/temp-directory.js';
import { isAsked } from './is-asked.js';
import { measure } from './measure.js';
import { allScenarios } from './load/scenario.js';
import { checkGoals, TARGETS } from './report/goals.js';
import { toMarkdown, type Report } from './report/markdown.js';
import type { Part } from './report/part.js';
import { parsePids, parseTarget } from './target.js';
import { startFloors } from './targets/floors.js';
import { WAYS, type Way } from './targets/granary.js';
import type { Started } from './targets/started.js';

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true, default: [] },
    pid: { type: 'string', multiple: true, default: [] },
    'with-granary': { type: 'boolean', default: false },
    way: { type: 'string', multiple: true, default: [] },
    only: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    'warm-up': { type: 'string' },
    workers: { type: 'string', default: String(availableParallelism()) },
    quick: { type: 'boolean', default: false },
    output: { type: 'string', default: join('bench', 'results') },
  },
});

const workers = Number(values.workers);
const startedAt = new Date().toISOString();
const given = values.target.map(text => parseTarget(text, parsePids(values.pid)));
const scenarios = allScenarios().filter(({ id }) => isAsked(id, values.only));
const timing = {
  rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
  secondsPerRound: Number(values.seconds ?? (values.quick ? 0.5 : 2)),
  warmUpSeconds: Number(values['warm-up'] ?? (values.quick ? 1 : 10)),
};

const withGranary = given.length === 0 || values['with-granary'];
const ways = withGranary ? WAYS.filter(({ name }) => isAsked(name, values.way)) : [];
if (values.way.length > 0 && ways.length === 0) {
  throw new Error(
    `--way ${values.way.join(', ')}: no such way is measured; there are ${WAYS.map(({ name }) => name).join(', ')}`,
  );
}
const { reference: _, ...own } = TARGETS;
const taken = given.find(({ name }) => Object.values<string>(own).includes(name));
if (taken !== undefined) throw new Error(`--target ${taken.name}: one of the bench's own is called so`);

const parts: Part[] = [];
if (withGranary) {
  for (const { name, floors, start } of ways) parts.push(await measurePart(name, floors, start));
} else parts.push(await measurePart('given targets', ['one-hop', 'two-hops', 'file-each']));
write({
  startedAt,
  command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
  ...timing,
  base: TARGETS.floor,
  parts,
  verdicts: checkGoals(parts),
});

async function measurePart(name: string, floors: Way['floors'], start?: Way['start']): Promise<Part> {
  const started: Started[] = [];
  try {
    started.push(await startFloors(floors, workers));
    if (start !== undefined) started.push(await start(workers));
    const targets = [...started.flatMap(each => each.targets), ...given];
    const brokerPort = started.find(each => each.brokerPort !== undefined)?.brokerPort;
    return {
      name,
      ...(await measure({ ...timing, scenarios, targets, brokerPort, progress: line => console.error(line) })),
    };
  } finally {
    await Promise.all(started.map(({ stop }) => stop()));
    removeTempDirectories();
  }
}

function write(report: Report): void {
  const markdown = toMarkdown(report);
  console.log(markdown);
  mkdirSync(values.output, { recursive: true });
  const file = join(values.output, report.startedAt.replaceAll(/[:.]/g, '-'));
  writeFileSync(`${file}.json`, `${JSON.stringify(report, undefined, 2)}\n`);
  writeFileSync(`${file}.md`, `${markdown}\n`);
  console.log(`Written to ${file}.md and .json`);
}
