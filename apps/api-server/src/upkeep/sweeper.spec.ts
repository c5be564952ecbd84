import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toObjectName } from '#contracts';
import { NATIVE_BUCKET, newCommitId, toBlake3, toRedundancy, type MetadataStore } from '#metadata';
import { openSqliteMetadata } from '#metadata/sqlite';
import { patientThread } from '#metadata/testing';
import { contentHash } from '#storage';
import { createLogger, Metrics } from '#telemetry';
import { MemoryBlobStore } from '../blobs/testing/memory-blob-store.js';
import { interpose, type InterposedMetadata } from '../versions/testing/interposed-metadata.js';
import { until } from '../versions/testing/serve-versions.js';
import { forgetOldCommits } from './forget-old-commits.js';
import { Sweeper } from './sweeper.js';
import { sweepMetrics } from './sweep-metrics.js';

describe('Sweeper', () => {
  let directory: string;
  let real: MetadataStore;
  let metadata: InterposedMetadata;
  let blobs: MemoryBlobStore;
  let metrics: Metrics;
  let lines: string[];
  let sweeper: Sweeper;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'granary-sweeper-'));
    real = await openSqliteMetadata({ path: join(directory, 'metadata.db'), ...patientThread });
    metadata = interpose(real);
    blobs = new MemoryBlobStore();
    metrics = new Metrics();
    lines = [];
    const logger = createLogger({
      level: 'info',
      format: 'json',
      destination: { write: (line: string) => void lines.push(line) },
    });
    sweeper = new Sweeper({ metadata: metadata.store, blobs, graceMs: 10, metrics: sweepMetrics(metrics), logger });
  });
  afterEach(async () => {
    await sweeper.close();
    await real.close();
    await rm(directory, { recursive: true });
  });

  /** Stored with 3 copies of 5 bytes, and deleted. */
  async function drop(text: string): Promise<void> {
    const key = toObjectName(text);
    const bytes = Buffer.from(text);
    const blake3 = toBlake3(contentHash.of(bytes).toString('hex'));
    const blob = await blobs.put({ bytes, blake3 }, { redundancy: toRedundancy('copies:3') });
    const target = { bucket: NATIVE_BUCKET, key };
    const content = { kind: 'stored', blob } as const;
    const { versionId } = await real.commitPut({ commitId: newCommitId(), ...target, etag: blake3, content });
    await real.deleteVersion({ commitId: newCommitId(), ...target, versionId });
  }

  it('frees on and on, and counts what it freed', async () => {
    sweeper.start();
    await drop('first');
    await until(() => blobs.size === 0);
    await drop('other');
    await until(() => blobs.size === 0);
    await sweeper.close();
    expect(metadata.calls.get('forgetCommits')).toBeGreaterThan(0);
    const text = await metrics.text();
    expect(text).toContain('granary_blobs_freed_total 2');
    expect(text).toContain('granary_blobs_freed_bytes_total 30');
  });

  it('outlives a database that is away, says so once, and goes on', async () => {
    await drop('first');
    metadata.breakDown();
    sweeper.start();
    await until(() => (metadata.calls.get('freeBlobs') ?? 0) > 5);
    expect([blobs.size, lines.length]).toEqual([1, 1]);
    metadata.restore();
    await until(() => blobs.size === 0 && lines.length === 2);
    expect(lines.map(line => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'a sweep failed; it is tried again, and said no more',
      'sweeping again',
    ]);
  });

  it('ends with the sweep under way, and does nothing afterwards', async () => {
    await drop('first');
    const gate = new EventEmitter();
    metadata.before('forgetBlobs', async () => void (await once(gate, 'open')));
    sweeper.start();
    await until(() => metadata.calls.has('forgetBlobs'));
    let isClosed = false;
    const closing = sweeper.close().then(() => (isClosed = true));
    await new Promise(resolve => setTimeout(resolve, 30));
    expect(isClosed).toBe(false);
    gate.emit('open');
    await closing;
    const calls = metadata.calls.get('freeBlobs');
    await new Promise(resolve => setTimeout(resolve, 50));
    expect(metadata.calls.get('freeBlobs')).toBe(calls);
  });

  it('forgets commits of more than a day ago, page by page', async () => {
    const asked: { olderThanMs: number; limit: number }[] = [];
    const pages = [1000, 1000, 7, 1000];
    await forgetOldCommits({
      forgetCommits: async request => {
        asked.push(request);
        return pages.shift() ?? 0;
      },
    });
    expect(asked).toEqual(Array.from({ length: 3 }, () => ({ olderThanMs: 24 * 60 * 60 * 1000, limit: 1000 })));
  });
});
