import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toObjectName } from '#contracts';
import { NATIVE_BUCKET, newCommitId, toBlake3, toRedundancy, type Blob, type MetadataStore } from '#metadata';
import { openSqliteMetadata } from '#metadata/sqlite';
import { contentHash } from '#storage';
import { silentLogger } from '#telemetry';
import { patientThread } from '#metadata/testing';
import { interpose, type InterposedMetadata } from '../versions/testing/interposed-metadata.js';
import { until } from '../versions/testing/serve-versions.js';
import { ShortfallRecorder } from './shortfall-recorder.js';
import { MemoryBlobStore } from './testing/memory-blob-store.js';

describe('ShortfallRecorder', () => {
  const blobs = new MemoryBlobStore();
  let directory: string;
  let real: MetadataStore;
  let metadata: InterposedMetadata;
  let count = 0;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'granary-shortfall-'));
    real = await openSqliteMetadata({ path: join(directory, 'metadata.db'), ...patientThread });
  });
  afterAll(async () => {
    await real.close();
    await rm(directory, { recursive: true });
  });

  function recorder(options: { maxPending?: number } = {}): ShortfallRecorder {
    metadata = interpose(real);
    return new ShortfallRecorder({ metadata: metadata.store, logger: silentLogger, retryMs: 5, ...options });
  }

  async function stored(): Promise<Blob> {
    const key = toObjectName(`object ${(count += 1)}`);
    const bytes = Buffer.from(key);
    const blake3 = toBlake3(contentHash.of(bytes).toString('hex'));
    const blob = await blobs.put({ bytes, blake3 }, { redundancy: toRedundancy('copies:3') });
    const content = { kind: 'stored', blob } as const;
    await real.commitPut({ commitId: newCommitId(), bucket: NATIVE_BUCKET, key, etag: blake3, content });
    return { ...blob, createdMs: 0 };
  }

  const repairsOf = async ({ id }: Blob) =>
    (await real.claimRepairs({ leaseMs: 0, limit: 1000 })).filter(({ blobId }) => blobId === id).map(r => r.shard);

  it('queues the repair of what is reported, once', async () => {
    const [one, two] = [await stored(), await stored()];
    const reports = recorder();
    for (let round = 0; round < 5; round += 1) {
      reports.report(missing(one, 0));
      reports.report({ ...missing(two, 2), kind: 'shard-damaged' });
    }
    await reports.close();
    expect([await repairsOf(one), await repairsOf(two)]).toEqual([[0], [2]]);
    expect(metadata.calls.get('placeShards')).toBe(1);
  });

  it('does not record again what it has just recorded', async () => {
    const blob = await stored();
    const reports = recorder();
    reports.report(missing(blob, 0));
    await until(() => metadata.calls.get('placeShards') === 1);
    await new Promise(resolve => setTimeout(resolve, 50));
    reports.report(missing(blob, 0));
    await reports.close();
    expect(metadata.calls.get('placeShards')).toBe(1);
  });

  it('leaves alone a shard that lies elsewhere by now', async () => {
    const blob = await stored();
    const report = missing(blob, 1);
    const elsewhere = blobs.servers[5];
    await real.placeShards({ commitId: newCommitId(), shards: [{ ...report.position, server: elsewhere }] });
    const reports = recorder();
    reports.report(report);
    await reports.close();
    expect(await repairsOf(blob)).toEqual([]);
  });

  it('marks a blob as lost, so that its content is stored anew', async () => {
    const blob = await stored();
    const reports = recorder();
    reports.report({ kind: 'blob-lost', blobId: blob.id, segment: 0 });
    await reports.close();
    const { blake3, size, redundancy } = blob;
    expect(await real.findBlob({ blake3, size, redundancy })).toBeUndefined();
  });

  it('tries again while the database does not answer, and gives up some time', async () => {
    const blob = await stored();
    const reports = recorder();
    metadata.breakDown();
    reports.report(missing(blob, 0));
    await until(() => (metadata.calls.get('placeShards') ?? 0) >= 2);
    metadata.restore();
    await until(() => (metadata.calls.get('placeShards') ?? 0) >= 3);
    await reports.close();
    expect(await repairsOf(blob)).toEqual([0]);

    const hopeless = recorder();
    metadata.breakDown();
    hopeless.report(missing(blob, 1));
    await until(() => metadata.calls.get('placeShards') === 5);
    await hopeless.close();
    expect(metadata.calls.get('placeShards')).toBe(5);
  });

  it('drops what is too much', async () => {
    const blob = await stored();
    const reports = recorder({ maxPending: 2 });
    for (const shard of [0, 1, 2]) reports.report(missing(blob, shard));
    await reports.close();
    expect(await repairsOf(blob)).toEqual([0, 1]);
  });
});

function missing({ id, layout }: Blob, shard: number) {
  const server = layout.servers[shard];
  if (server === undefined) throw new Error('no such shard');
  return { kind: 'shard-missing', position: { blobId: id, segment: 0, shard }, server } as const;
}
