/**
 * `npm run bench`: PUT and GET at four sizes and two concurrencies, misses and locates, on any number
 * of stores in turns, with the CPU and memory of their processes.
 *
 *   npm run bench                                        Granary in every way it runs, and the floors
 *   npm run bench -- --target ours=http://127.0.2.1:12345 --target theirs=http://127.0.2.9:12345
 *
 *   --target name=url       a store to measure; repeatable. Without any, Granary is started from dist/
 *   --pid name=pid,pid      its server processes; else those that listen on the port, and their children
 *   --with-granary          start Granary beside the given targets too
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
import { measure } from './measure.js';
import { allScenarios } from './load/scenario.js';
import { toMarkdown } from './report/markdown.js';
import { parsePids, parseTarget } from './target.js';
import { startFloors } from './targets/floors.js';
import { startGranary } from './targets/granary.js';
import type { Started } from './targets/started.js';

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true, default: [] },
    pid: { type: 'string', multiple: true, default: [] },
    'with-granary': { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    'warm-up': { type: 'string' },
    workers: { type: 'string', default: String(availableParallelism()) },
    quick: { type: 'boolean', default: false },
    output: { type: 'string', default: join('bench', 'results') },
  },
});

const given = values.target.map(text => parseTarget(text, parsePids(values.pid)));
const started: Started[] = [];
try {
  started.push(await startFloors());
  if (given.length === 0 || values['with-granary']) started.push(await startGranary(Number(values.workers)));
  const report = await measure({
    targets: [...started.flatMap(({ targets }) => targets), ...given],
    scenarios: allScenarios().filter(
      ({ id }) => values.only.length === 0 || values.only.some(part => id.includes(part)),
    ),
    brokerPort: started.find(({ brokerPort }) => brokerPort !== undefined)?.brokerPort,
    rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
    secondsPerRound: Number(values.seconds ?? (values.quick ? 0.5 : 2)),
    warmUpSeconds: Number(values['warm-up'] ?? (values.quick ? 1 : 10)),
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    progress: line => console.error(line),
  });
  const markdown = toMarkdown(report);
  console.log(markdown);
  mkdirSync(values.output, { recursive: true });
  const file = join(values.output, report.startedAt.replaceAll(/[:.]/g, '-'));
  writeFileSync(`${file}.json`, `${JSON.stringify(report, undefined, 2)}\n`);
  writeFileSync(`${file}.md`, `${markdown}\n`);
  console.log(`Written to ${file}.md and .json`);
} finally {
  await Promise.all(started.map(({ stop }) => stop()));
  removeTempDirectories();
}
