import { expect, it } from '@jest/globals';
import { layoutOf, serverOf } from '../model/blob.js';
import { newCommitId, toServerId, type BlobId, type BucketName, type ServerId } from '../model/ids.js';
import { toRedundancy } from '../model/redundancy.js';
import { SERVERS, bucketStats, current, freshBucket, freshName, newBlob, put, putRequest, remove } from './fixtures.js';
import type { SuiteContext } from './store-under-test.js';

const NOW = { graceMs: 0, leaseMs: 60_000, limit: 1000 };

export function blobCases({ store, other }: SuiteContext): void {
  /** What `bucket` brought, without what earlier cases left. */
  const freed = async (): Promise<BlobId[]> => {
    await new Promise(resolve => setTimeout(resolve, 5));
    return (await store().freeBlobs(NOW)).map(({ id }) => id);
  };
  const purge = async (bucket: BucketName): Promise<void> => {
    const { entries } = await store().listVersions({ bucket });
    for (const entry of entries) {
      if (entry.kind === 'prefix') continue;
      await store().deleteVersion({ commitId: newCommitId(), bucket, key: entry.key, versionId: entry.versionId });
    }
  };

  it('stores identical content once, whoever brings it, and says what that saved', async () => {
    const [one, two] = [await freshBucket(store()), await freshBucket(store())];
    const content = `shared ${one}`;
    const first = await put(store(), one, freshName(), content);
    expect(first.deduplicated).toBe(false);
    const later = await Promise.all([put(store(), one, freshName(), content), put(other(), two, freshName(), content)]);
    for (const result of later) expect(result).toMatchObject({ deduplicated: true, blobId: first.blobId });
    const size = content.length;
    expect(await bucketStats(store(), one)).toMatchObject({
      objects: 2,
      logicalBytes: 2 * size,
      blobs: 1,
      blobBytes: size,
      storedBytes: 3 * size,
    });
    expect(await bucketStats(store(), two)).toMatchObject({ objects: 1, logicalBytes: size, blobs: 0, storedBytes: 0 });
  });

  it('counts what nothing refers to apart, until it is referred to again or freed', async () => {
    const [one, two] = [await freshBucket(store()), await freshBucket(store(), 'never')];
    const content = `counted ${one}`;
    const size = content.length;
    const sums = async () => {
      const { blobBytes, deduplicatedBytes, unreferencedBytes } = await bucketStats(other(), one);
      return [blobBytes, deduplicatedBytes, unreferencedBytes];
    };
    await put(store(), one, freshName(), content);
    await put(store(), one, freshName(), content);
    const shared = freshName();
    await put(other(), two, shared, content);
    expect(await sums()).toEqual([size, 2 * size, 0]);
    await purge(one);
    expect(await sums()).toEqual([size, 0, 0]);
    await remove(store(), two, shared);
    expect(await sums()).toEqual([size, 0, size]);
    const { blobId } = await put(store(), two, shared, content);
    expect(await sums()).toEqual([size, 0, 0]);
    await put(store(), two, shared, content);
    expect(await sums()).toEqual([size, 0, 0]);
    await put(store(), two, freshName(), content, { content: { kind: 'existing', blobId } });
    expect(await sums()).toEqual([size, size, 0]);
    await put(store(), two, freshName(), content, { content: { kind: 'existing', blobId } });
    await purge(two);
    expect(await sums()).toEqual([size, 0, size]);
    expect(await freed()).toContain(blobId);
    expect(await sums()).toEqual([0, 0, 0]);
    expect(await bucketStats(store(), two)).toMatchObject({ blobBytes: 0, deduplicatedBytes: 0, unreferencedBytes: 0 });
  });

  it('shares only content of the same size and redundancy', async () => {
    const bucket = await freshBucket(store());
    const content = `content ${bucket}`;
    const variants = [{}, { redundancy: toRedundancy('ec:2+1') }, { size: 1 }].map(overrides =>
      newBlob(content, overrides),
    );
    for (const blob of variants) {
      const result = await put(store(), bucket, freshName(), content, { content: { kind: 'stored', blob } });
      expect(result.deduplicated).toBe(false);
      expect(await store().findBlob(blob)).toMatchObject({ id: blob.id, size: blob.size });
    }
  });

  it('of 16 who bring the same content at once, one is stored', async () => {
    const bucket = await freshBucket(store());
    const results = await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        put(index % 2 === 0 ? store() : other(), bucket, freshName(), `same ${bucket}`),
      ),
    );
    expect(results.filter(({ deduplicated }) => !deduplicated)).toHaveLength(1);
    expect(new Set(results.map(({ blobId }) => blobId)).size).toBe(1);
    expect(await bucketStats(store(), bucket)).toMatchObject({ objects: 16, blobs: 1 });
  });

  it('refers to a blob that is there already, and says when it is not', async () => {
    const bucket = await freshBucket(store());
    const blob = newBlob(`copied ${bucket}`);
    const existing = { kind: 'existing' as const, blobId: blob.id };
    const gone = { code: 'content-gone' };
    await expect(put(store(), bucket, freshName(), 'a', { content: existing })).rejects.toMatchObject(gone);
    await put(store(), bucket, freshName(), 'a', { content: { kind: 'stored', blob } });
    const copied = await put(other(), bucket, freshName(), 'b', { content: existing });
    expect(copied).toMatchObject({ blobId: blob.id, deduplicated: false });
    await purge(bucket);
    expect(await freed()).toContain(blob.id);
    await expect(put(store(), bucket, freshName(), 'a', { content: existing })).rejects.toMatchObject(gone);
  });

  it('frees a blob when nothing has referred to it for the grace period, once', async () => {
    const bucket = await freshBucket(store());
    const [kept, dropped] = [freshName(), freshName()];
    const { blobId, versionId } = await put(store(), bucket, dropped, `dropped ${bucket}`);
    const untouched = await put(store(), bucket, kept, `kept ${bucket}`);
    await remove(store(), bucket, dropped);
    expect(await freed()).not.toContain(blobId);
    await store().deleteVersion({ commitId: newCommitId(), bucket, key: dropped, versionId });
    expect((await store().freeBlobs({ ...NOW, graceMs: 60_000 })).map(({ id }) => id)).not.toContain(blobId);
    expect(await freed()).toContain(blobId);
    expect(await freed()).not.toContain(blobId);
    expect(await store().knownBlobs([blobId, untouched.blobId])).toEqual(new Set([blobId, untouched.blobId]));
    await store().forgetBlobs([blobId, untouched.blobId]);
    expect(await store().knownBlobs([blobId, untouched.blobId])).toEqual(new Set([untouched.blobId]));
    expect(await bucketStats(store(), bucket)).toMatchObject({ blobs: 1, objects: 1 });
  });

  it('hands out again what a sweeper freed and did not forget', async () => {
    const bucket = await freshBucket(store());
    const { blobId } = await put(store(), bucket, freshName(), `lost sweeper ${bucket}`);
    await purge(bucket);
    expect(await freed()).toContain(blobId);
    await new Promise(resolve => setTimeout(resolve, 20));
    const again = await other().freeBlobs({ graceMs: 60_000, leaseMs: 10, limit: 1000 });
    expect(again.map(({ id }) => id)).toContain(blobId);
    await store().forgetBlobs(again.map(({ id }) => id));
  });

  it('stores freed content anew, and revives content that is only unreferenced', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    const content = `revived ${bucket}`;
    const first = await put(store(), bucket, key, content);
    await purge(bucket);
    const revived = await put(store(), bucket, key, content);
    expect(revived).toMatchObject({ deduplicated: true, blobId: first.blobId });
    expect(await freed()).not.toContain(first.blobId);
    await purge(bucket);
    expect(await freed()).toContain(first.blobId);
    const anew = await put(store(), bucket, key, content);
    expect(anew.deduplicated).toBe(false);
    expect(anew.blobId).not.toBe(first.blobId);
  });

  it('never frees what a racing put refers to', async () => {
    const bucket = await freshBucket(store());
    const content = `raced ${bucket}`;
    const freedIds = new Set<BlobId>();
    for (let round = 0; round < 15; round += 1) {
      const key = freshName();
      const putting = Promise.all([put(store(), bucket, key, content), put(other(), bucket, freshName(), content)]);
      const [, ...sweeps] = await Promise.all([putting, store().freeBlobs(NOW), other().freeBlobs(NOW)]);
      for (const { id } of sweeps.flat()) {
        expect(freedIds.has(id)).toBe(false);
        freedIds.add(id);
      }
      for (const { entries } of [await store().listVersions({ bucket })]) {
        for (const entry of entries) {
          if (entry.kind !== 'object') continue;
          const version = await store().find({ bucket, key: entry.key, versionId: entry.versionId });
          if (version?.kind !== 'object') throw new Error('no object');
          for (const { id } of version.blobs) expect(freedIds.has(id)).toBe(false);
        }
      }
      await purge(bucket);
    }
    expect(freedIds.size).toBeGreaterThan(0);
  });

  it('a lost blob stays with its versions, and new ones are stored anew', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    const content = `lost ${bucket}`;
    const { blobId } = await put(store(), bucket, key, content);
    await store().markLost(blobId);
    expect(await current(store(), bucket, key)).toBe(content);
    const again = await put(store(), bucket, freshName(), content);
    expect(again.deduplicated).toBe(false);
    expect(again.blobId).not.toBe(blobId);
    const copy = { content: { kind: 'existing' as const, blobId } };
    await expect(put(store(), bucket, key, 'x', copy)).rejects.toMatchObject({ code: 'content-gone' });
  });

  it('queues what a write left missing, in the same transaction, and hands it out once a lease', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    const [a, b, c, d] = SERVERS;
    const layout = layoutOf([
      [a, undefined, c],
      [b, c, undefined],
    ]);
    const blob = newBlob(`missing ${bucket}`, { layout });
    const failing = { content: { kind: 'stored' as const, blob }, precondition: { ifMatch: '*' as const } };
    await expect(put(store(), bucket, key, 'x', failing)).rejects.toMatchObject({ code: 'precondition-failed' });
    const mine = async (leaseMs: number) =>
      (await store().claimRepairs({ leaseMs, limit: 1000 })).filter(({ blobId }) => blobId === blob.id);
    expect(await mine(0)).toEqual([]);
    await put(store(), bucket, key, 'x', { content: { kind: 'stored', blob } });
    const claimed = await mine(60_000);
    expect(claimed.map(({ segment, shard, attempts }) => [segment, shard, attempts]).sort()).toEqual([
      [0, 1, 1],
      [1, 2, 1],
    ]);
    expect(claimed[0]?.blob.layout.shards).toEqual(layout.shards);
    expect(await mine(60_000)).toEqual([]);

    const place = { commitId: newCommitId(), shards: [{ blobId: blob.id, segment: 0, shard: 1, server: d }] };
    await store().placeShards(place);
    await other().placeShards(place);
    const version = await other().find({ bucket, key });
    if (version?.kind !== 'object') throw new Error('no object');
    expect(version.blobs.map(({ layout }) => serverOf(layout, 0, 1))).toEqual([d]);
    const onD = async () => (await store().serverBlobs({ server: d ?? toServerId('d') })).blobs.map(({ id }) => id);
    expect(await onD()).toContain(blob.id);
    const lose = (from?: ServerId) =>
      store().placeShards({
        commitId: newCommitId(),
        shards: [{ blobId: blob.id, segment: 0, shard: 1, server: undefined, ...(from !== undefined && { from }) }],
      });
    await lose(toServerId('where it has never been'));
    expect(await onD()).toContain(blob.id);
    expect(await mine(0)).toEqual([]);
    await lose(d);
    expect(await onD()).not.toContain(blob.id);
    expect((await mine(0)).map(({ segment, shard }) => [segment, shard])).toEqual([[0, 1]]);
  });

  it('finds the blobs of a server, page by page', async () => {
    const bucket = await freshBucket(store());
    const server = toServerId(`server of ${bucket}`);
    const stored = Array.from({ length: 7 }, (_, index) =>
      newBlob(`${bucket} ${index}`, {
        layout: layoutOf([
          [server, SERVERS[0]],
          [SERVERS[1], server],
        ]),
      }),
    );
    for (const blob of stored)
      await store().commitPut(putRequest(bucket, freshName(), 'x', { content: { kind: 'stored', blob } }));
    const found: BlobId[] = [];
    let page = await other().serverBlobs({ server, limit: 3 });
    found.push(...page.blobs.map(({ id }) => id));
    while (page.cursor !== undefined) {
      page = await other().serverBlobs({ server, limit: 3, cursor: page.cursor });
      found.push(...page.blobs.map(({ id }) => id));
    }
    expect(found).toEqual(stored.map(({ id }) => id));
    expect(await store().knownServers()).toContain(server);
  });
}
