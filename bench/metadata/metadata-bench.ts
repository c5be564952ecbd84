import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { postgresDatabase, sqliteDatabase, type FilledStore } from './filled-store.js';
import { measureStore, type Figure, type Figures } from './measure-store.js';
import { ownPostgres } from '../../tools/postgres.js';

/**
 * `npm run bench:metadata`: what reads, listings and commits cost with few objects and with many, in SQLite
 * and in PostgreSQL, in turns. The ratio says how much the many cost.
 *
 *   --objects n    how many "many" is; default 1000000
 *   --rounds n     default 5
 *   --only name    sqlite or postgres
 */
const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
  },
});

const FEW = 1000;
const many = Number(values.objects);
const directory = await mkdtemp(join(tmpdir(), 'granary-metadata-bench-'));
try {
  console.log(`Node ${process.version}, ${availableParallelism()} cores, load average ${loadavg()[0]?.toFixed(1)}`);
  if (values.only !== 'postgres') await compare('SQLite', objects => sqliteDatabase(directory, objects));
  if (values.only !== 'sqlite')
    await withPostgres(url => compare('PostgreSQL', objects => postgresDatabase(url, objects)));
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function withPostgres(work: (url: string) => Promise<void>): Promise<void> {
  const server = await ownPostgres();
  console.log(server.origin);
  try {
    await work(server.url);
  } finally {
    await server.stop();
  }
}

async function compare(name: string, open: (objects: number) => Promise<FilledStore>): Promise<void> {
  const stores = [await open(FEW), await open(many)];
  const rounds: Figures[][] = stores.map(() => []);
  try {
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const [index, filled] of stores.entries()) rounds[index]?.push(await measureStore(filled, round));
    }
  } finally {
    for (const { store } of stores) await store.close();
  }
  report(name, rounds.map(medians));
}

function medians(rounds: readonly Figures[]): Figures {
  const [first = {}] = rounds;
  return Object.fromEntries(
    Object.entries(first).map(([what, { unit }]) => {
      const sorted = rounds.map(round => round[what]?.value ?? Number.NaN).sort((a, b) => a - b);
      return [what, { value: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN, unit }];
    }),
  );
}

/** Rates are turned over, so that a ratio above 1 always means: dearer with many. */
function report(name: string, [few = {}, lots = {}]: readonly Figures[]): void {
  console.log(`\n| ${name} | with ${FEW} | with ${many} | ratio of cost |\n| --- | --- | --- | --- |`);
  for (const [what, figure] of Object.entries(few)) {
    const other = lots[what] ?? figure;
    const ratio = figure.unit.endsWith('/s') ? figure.value / other.value : other.value / figure.value;
    console.log(`| ${what} | ${text(figure)} | ${text(other)} | ${ratio.toFixed(2)} |`);
  }
}

function text({ value, unit }: Figure): string {
  return `${value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 1 : 0 })} ${unit}`;
}
