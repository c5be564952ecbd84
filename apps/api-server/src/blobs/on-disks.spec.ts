/** Blobs over real stores on disks: what is damaged or lost there is found by them, and made good here. */
import { afterAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileShardStore, openStorageDirectory } from '#storage/file';
import { BlobCluster } from './testing/blob-cluster.js';
import { sampleBytes } from './testing/sample-bytes.js';

const KIB = 1024;
const ends: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const end of ends.toReversed()) await end();
});

async function clusterOnDisks() {
  const root = await mkdtemp(join(tmpdir(), 'granary-blobs-'));
  ends.push(() => rm(root, { recursive: true, force: true }));
  const directories = Array.from({ length: 6 }, (_, index) => join(root, `s${index}`));
  const stores: FileShardStore[] = [];
  for (const path of directories) {
    const store = await FileShardStore.open(await openStorageDirectory(path), { fsync: false });
    ends.push(() => store.close());
    stores.push(store);
  }
  const storeOf = (index: number): FileShardStore => stores[index] as FileShardStore;
  return { cluster: new BlobCluster({ storeOf, settings: { segmentSizeBytes: 1000 * KIB } }), directories };
}

/** Flips a bit in the middle of every file of shards. */
async function damageFiles(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter(each => each.isFile() && !/lock|reserve|json|id/.test(each.name))) {
    const file = await open(join(entry.parentPath, entry.name), 'r+');
    const { size } = await file.stat();
    const byte = Buffer.alloc(1);
    const at = Math.floor(size / 3);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ 4;
    if (size > 64 * KIB) await file.write(byte, 0, 1, at);
    await file.close();
  }
}

describe('blobs on disks', () => {
  it('come back whole, large and small', async () => {
    const { cluster } = await clusterOnDisks();
    for (const [size, redundancy] of [
      [1, 'copies:3'],
      [64 * KIB + 1, 'copies:3'],
      [2500 * KIB, 'ec:4+2'],
      [2500 * KIB, 'copies:2'],
    ] as const) {
      const bytes = sampleBytes(size);
      const blob = await cluster.write(bytes, redundancy);
      expect((await cluster.read(blob)).equals(bytes)).toBe(true);
      expect((await cluster.read(blob, { first: size >> 1, last: size - 1 })).equals(bytes.subarray(size >> 1))).toBe(
        true,
      );
      await cluster.blobs.discard(blob);
      expect(cluster.shards()).toBe(0);
    }
  });

  it('are right with bits flipped on two disks of six, and an error with three', async () => {
    const { cluster, directories } = await clusterOnDisks();
    const bytes = sampleBytes(2500 * KIB);
    const blob = await cluster.write(bytes, 'ec:4+2');
    for (const directory of directories.slice(0, 2)) await damageFiles(directory);
    expect((await cluster.read(blob)).equals(bytes)).toBe(true);
    expect(new Set(cluster.troubles.map(({ kind }) => kind))).toEqual(new Set(['shard-damaged']));
    await damageFiles(directories[2] ?? '');
    await expect(cluster.read(blob)).rejects.toMatchObject({ code: 'object-damaged' });
    expect(cluster.troubles.at(-1)).toMatchObject({ kind: 'blob-lost', blobId: blob.id });
  });
});
