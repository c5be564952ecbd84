/**
 * Row 30 with SQLite: other processes lock the file, change it at the same time, and are killed; and row 16,
 * a power cut. Every operation must answer within 2 s without blocking the event loop, and nothing that was
 * acknowledged be missing or there twice. It would fail by a lock that is waited for on the event loop, or
 * by `synchronous = normal`.
 */
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MetadataStore } from '#metadata';
import { openSqliteMetadata } from '#metadata/sqlite';
import { threadFromSources } from '#metadata/testing';
import { pauseProcess } from '../../tools/pause-process.js';
import { LoopVolume } from '../harness/loop-volume.js';
import { removeTempDirectories, tempDirectory } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';
import { MetadataLoad, versionsUnder } from './metadata-load.js';

const ANSWER_MS = 2500;
const RECOVERY_MS = 5000;
const POWER_CUTS = 6;
/** No promise: three processes that write have one lock between them, and a sync for each commit. */
const SPEECH_MS = 150_000;

let store: MetadataStore;
let path: string;
const children = new Set<ChildProcess>();

const open = (file: string): Promise<MetadataStore> => openSqliteMetadata({ path: file, ...threadFromSources });

beforeEach(async () => {
  path = join(tempDirectory('metadata'), 'metadata.db');
  store = await open(path);
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await store.close();
});
afterAll(() => removeTempDirectories());

describe('metadata in SQLite (row 30), when another process', () => {
  it.each([
    ['writes for 4 s', 'begin immediate'],
    ['locks the file for 4 s', 'begin exclusive'],
  ])('%s', async (_what, begin) => {
    const load = new MetadataLoad(store, 'locked');
    await waitUntil('the load has begun', 30_000, () => load.result.acknowledged.size > 50);
    const locker = run(LOCKER, path, begin, '4000');
    await locker.line('locked');
    await locker.line('released');
    const releasedMs = performance.now();
    await waitUntil('commits are acknowledged again', RECOVERY_MS, () => load.acknowledgedAtMs > releasedMs);
    const { acknowledged, errors, slowestMs } = await load.stop();
    expect([...errors.keys()]).toEqual(['metadata-unavailable']);
    expect(slowestMs).toBeLessThan(ANSWER_MS);
    expect(load.longestBlockMs).toBeLessThan(100);
    const versions = await versionsUnder(store, 'locked/');
    expect([...acknowledged].filter(key => !versions.has(key))).toEqual([]);
    expect([...versions].filter(([, count]) => count !== 1)).toEqual([]);
  });

  it('commits at the same time: of three that want to be the first, one is, name after name', async () => {
    const writers = ['a', 'b', 'c'].map(name => run(WRITER, path, name, 'race'));
    await Promise.all(writers.map(writer => writer.line('50')));
    for (const writer of writers) writer.child.kill('SIGKILL');
    const acknowledged = writers.flatMap(writer => writer.lines.filter(line => line.startsWith('ok ')));
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
    const versions = await versionsUnder(store, 'race/');
    expect([...versions.values()].every(count => count === 1)).toBe(true);
    for (const line of acknowledged) expect(versions.has(`race/${line.slice(3)}`)).toBe(true);
  });

  it('is killed in the middle: what it acknowledged is there', async () => {
    for (let round = 0; round < 3; round += 1) {
      const writer = run(WRITER, path, `${round}`, `killed-${round}`);
      await writer.line('20');
      writer.child.kill('SIGKILL');
      await once(writer.child, 'close');
      const versions = await versionsUnder(store, `killed-${round}/`);
      for (const line of writer.lines.filter(line => line.startsWith('ok '))) {
        expect(versions.get(`killed-${round}/${line.slice(3)}`)).toBe(1);
      }
    }
  });
});

describe('metadata in SQLite (row 16)', () => {
  it(`keeps what it acknowledged through ${POWER_CUTS} power cuts`, async () => {
    const volume = await LoopVolume.create(256);
    try {
      const file = join(volume.path, 'metadata.db');
      const acknowledged: string[] = [];
      for (let cut = 0; cut < POWER_CUTS; cut += 1) {
        const writer = run(WRITER, file, `${cut}`, `cut-${cut}`);
        // Enough of them however slow the disk is, and then at any moment.
        await writer.line('12');
        await sleep(Math.random() * 400);
        // Stopped first, wherever it is: it cannot sync later what it acknowledged before.
        if (writer.child.pid !== undefined) await pauseProcess(writer.child.pid);
        await sleep(100);
        acknowledged.push(
          ...writer.lines.flatMap(line => (line.startsWith('ok ') ? `cut-${cut}/${line.slice(3)}` : [])),
        );
        await volume.cutPower();
        writer.child.kill('SIGKILL');
        await once(writer.child, 'close');
        await volume.remount();
        const checker = run(CHECKER, file);
        await once(checker.child, 'close');
        const keys = checker.lines.slice(0, -1);
        expect(new Set(keys).size).toBe(keys.length);
        expect(acknowledged.filter(key => !keys.includes(key))).toEqual([]);
        expect(checker.lines.at(-1)).toBe(`${keys.length} versions by the totals`);
      }
      console.log(`${acknowledged.length} commits were acknowledged before the cuts`);
      expect(acknowledged.length).toBeGreaterThan(POWER_CUTS * 10);
    } finally {
      await volume.destroy();
    }
  });
});

const ROOT = join(import.meta.dirname, '../..');

/** Holds a lock on the file: arguments are the file, how it begins, and for how long. */
const LOCKER = `
  const Database = require(${JSON.stringify(createRequire(import.meta.url).resolve('libsql'))});
  const [path, begin, holdMs] = process.argv.slice(1);
  const database = new Database(path);
  database.prepare('pragma busy_timeout = 0').all();
  // Again and again: SQLite's own wait looks ten times a second, and may never meet the moment between two commits.
  for (;;) {
    try {
      database.exec(begin);
      break;
    } catch (error) {
      if (!/locked|busy/i.test(error.message)) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
  console.log('locked');
  setTimeout(() => { database.exec('rollback'); console.log('released'); }, Number(holdMs));
`;

/** Commits one name after the other, if it is free, and says so when acknowledged: arguments are the file, a name for the writer, and a prefix. */
const WRITER = `
  const [path, name, prefix] = process.argv.slice(1);
  (async () => {
    const { openSqliteMetadata } = await import(${JSON.stringify(join(ROOT, 'dist/libs/metadata/src/sqlite/index.js'))});
    const m = await import(${JSON.stringify(join(ROOT, 'dist/libs/metadata/src/index.js'))});
    const store = await openSqliteMetadata({ path });
    const servers = ['a', 'b', 'c'].map(m.toServerId);
    for (let index = 0; ; index += 1) {
      const blob = {
        id: m.newBlobId(), size: 5, blake3: m.toBlake3(name.charCodeAt(0).toString(16).padStart(32, '0') + String(index).padStart(32, '0')),
        redundancy: m.toRedundancy('copies:3'), segmentSizeBytes: 1, storedBytes: 15, layout: m.layoutOf([servers]),
      };
      await store.commitPut({
        commitId: m.newCommitId(), bucket: m.NATIVE_BUCKET, key: prefix + '/' + index, etag: name,
        content: { kind: 'stored', blob }, precondition: { ifNoneMatch: '*' },
      }).then(() => console.log('ok ' + index), error => {
        if (error.code !== 'precondition-failed' && error.code !== 'metadata-unavailable') throw error;
      });
      console.log(String(index));
    }
  })();
`;

/** Prints the key of every version, then how many the totals say: the argument is the file. */
const CHECKER = `
  (async () => {
    const { openSqliteMetadata } = await import(${JSON.stringify(join(ROOT, 'dist/libs/metadata/src/sqlite/index.js'))});
    const m = await import(${JSON.stringify(join(ROOT, 'dist/libs/metadata/src/index.js'))});
    const store = await openSqliteMetadata({ path: process.argv[1] });
    for await (const { key } of m.eachVersion(store, { bucket: m.NATIVE_BUCKET })) console.log(key);
    console.log((await store.stats()).buckets[0].versions + ' versions by the totals');
    await store.close();
  })();
`;

interface RunningScript {
  child: ChildProcess;
  lines: string[];
  /** Resolves once it has printed this line. */
  line(text: string): Promise<void>;
}

function run(script: string, ...args: string[]): RunningScript {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '-e', script, ...args], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  child.on('close', () => children.delete(child));
  const lines: string[] = [];
  createInterface(child.stdout).on('line', line => lines.push(line));
  const line = async (text: string): Promise<void> => {
    await waitUntil(`the other process says "${text}"`, SPEECH_MS, () => lines.includes(text));
  };
  return { child, lines, line };
}
