/**
 * Row 34: processes put and delete a few contents over one database, while they sweep what nobody refers
 * to, with no grace at all. It would fail by a version whose blob was freed: its file is gone then.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eachVersion, NATIVE_BUCKET, type MetadataStore } from '#metadata';
import { openPostgresMetadata } from '#metadata/postgres';
import { openSqliteMetadata } from '#metadata/sqlite';
import { threadFromSources } from '#metadata/testing';
import { startPostgres, type Postgres } from '../../tools/postgres.js';
import { freshDatabase } from '../harness/fresh-database.js';
import { removeTempDirectories, tempDirectory } from '../harness/temp-directory.js';

const CHILD = join(import.meta.dirname, 'sweep-child.mjs');
const PROCESSES = 3;
const WRITERS_EACH = 4;
const ROUNDS = 25;
/** As many as there are writers: each is put by several of them, and by nobody every now and then. */
const CONTENTS = PROCESSES * WRITERS_EACH;
/** What each process must have met: references to what it found, and blobs that it swept. */
const RACES = 10;
/** No promise: who sweeps what is luck, and a slow disk lets it happen seldom. */
const RACING_MS = 150_000;

interface SweepTask {
  /** Where the bytes of blobs are. */
  directory: string;
  metadataUrl: string;
  name: string;
  /** Of each writer, at least. */
  rounds: number;
  /** Blobs to be referred to, and blobs to be swept, before the writers end. */
  races: number;
  /** When they end though they met fewer. */
  deadlineMs: number;
  contents: number;
}

interface SweepResult {
  puts: number;
  /** Stored, when others had stored the same meanwhile. */
  deduplicated: number;
  /** Put without storing anything. */
  referred: number;
  /** Found, and freed before it was referred to. */
  goneMeanwhile: number;
  swept: number;
  /** Versions that lacked their bytes. */
  missing: string[];
}

let postgres: Postgres;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  await postgres.stop();
  removeTempDirectories();
});

describe('PUTs that race the sweep of their content (row 34)', () => {
  const databases: [string, () => Promise<string>, (url: string) => Promise<MetadataStore>][] = [
    [
      'SQLite',
      async () => `sqlite:${join(tempDirectory('metadata'), 'metadata.db')}`,
      url => openSqliteMetadata({ path: url.slice('sqlite:'.length), ...threadFromSources }),
    ],
    ['PostgreSQL', async () => (await freshDatabase(postgres.url)).url, url => openPostgresMetadata({ url })],
  ];
  it.each(databases)(
    'in several processes over %s: what is referred to is never freed',
    async (_database, urlOf, open) => {
      const [directory, metadataUrl] = [tempDirectory('blobs'), await urlOf()];
      const metadata = await open(metadataUrl);
      try {
        const limits = { rounds: ROUNDS, races: RACES, deadlineMs: RACING_MS };
        const task = { directory, metadataUrl, contents: CONTENTS, ...limits };
        const processes = Array.from({ length: PROCESSES }, (_, index) => sweepIn({ ...task, name: `${index}` }));
        const results = await Promise.all(processes);
        console.log(JSON.stringify(results));
        expect(results.flatMap(({ missing }) => missing)).toEqual([]);
        for (const { puts, referred, swept } of results) {
          expect(puts).toBeGreaterThanOrEqual(WRITERS_EACH * ROUNDS);
          expect(Math.min(referred, swept)).toBeGreaterThanOrEqual(RACES);
        }

        const left = await referredTo(metadata);
        const files = readdirSync(directory);
        expect(left.filter(id => !files.includes(id))).toEqual([]);
        expect(left.length).toBe(PROCESSES * WRITERS_EACH);
        // Nobody sweeps any more: the last sweep finds what the others had no time for, and nothing else.
        const freed = await metadata.freeBlobs({ graceMs: 0, leaseMs: 0, limit: 1000 });
        expect(files.toSorted()).toEqual([...new Set([...left, ...freed.map(({ id }) => id)])].toSorted());
      } finally {
        await metadata.close();
      }
    },
  );
});

async function sweepIn(task: SweepTask): Promise<SweepResult> {
  const env = { ...process.env, NODE_OPTIONS: '' };
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, JSON.stringify(task)], { env });
  return JSON.parse(stdout) as SweepResult;
}

/** The blob of every version that is left. */
async function referredTo(metadata: MetadataStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const entry of eachVersion(metadata, { bucket: NATIVE_BUCKET })) {
    if (entry.kind !== 'object') continue;
    const version = await metadata.find({ bucket: NATIVE_BUCKET, key: entry.key, versionId: entry.versionId });
    if (version?.kind !== 'object') throw new Error(`${entry.key} has no blob`);
    ids.push(...version.blobs.map(({ id }) => id));
  }
  return ids;
}
