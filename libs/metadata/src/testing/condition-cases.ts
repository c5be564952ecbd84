import { expect, it } from '@jest/globals';
import { newCommitId } from '../model/ids.js';
import type { Precondition } from '../model/version.js';
import { bucketStats, current, freshBucket, freshName, put, putRequest, remove } from './fixtures.js';
import type { SuiteContext } from './store-under-test.js';

const FAILED = { code: 'precondition-failed' };

export function conditionCases({ store, other }: SuiteContext): void {
  it('of 32 writers at two API servers that want to be the first, exactly one is', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    const results = await Promise.allSettled(
      Array.from({ length: 32 }, (_, index) =>
        put(index % 2 === 0 ? store() : other(), bucket, key, `body ${index}`, { precondition: { ifNoneMatch: '*' } }),
      ),
    );
    const winners = results.flatMap((result, index) => (result.status === 'fulfilled' ? [index] : []));
    expect(winners).toHaveLength(1);
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject(FAILED);
    for (const reader of [store(), other()]) expect(await current(reader, bucket, key)).toBe(`body ${winners[0]}`);
    expect(await bucketStats(store(), bucket)).toMatchObject({ objects: 1, versions: 1, blobs: 1 });
  });

  it('of writers that replace the same state, exactly one does, round after round', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    await put(store(), bucket, key, '0');
    for (let round = 0; round < 5; round += 1) {
      const results = await Promise.allSettled(
        [store(), other(), store(), other()].map(writer =>
          put(writer, bucket, key, `${round + 1}`, {
            precondition: { ifMatch: [`${round}`] },
          }),
        ),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    }
    expect((await store().listVersions({ bucket, key })).entries).toHaveLength(6);
  });

  it('decide on put and delete alike, and leave nothing behind when they fail', async () => {
    const bucket = await freshBucket(store());
    const [absent, present, deleted] = [freshName(), freshName(), freshName()];
    await put(store(), bucket, present, 'tag');
    await put(store(), bucket, deleted, 'tag');
    await remove(store(), bucket, deleted);
    const before = await bucketStats(store(), bucket);
    const fail = async (key: typeof absent, precondition: Precondition) => {
      await expect(put(store(), bucket, key, 'new', { precondition })).rejects.toMatchObject(FAILED);
      const request = { commitId: newCommitId(), bucket, key, precondition };
      await expect(store().deleteObject(request)).rejects.toMatchObject(FAILED);
    };
    await fail(absent, { ifMatch: '*' });
    await fail(absent, { ifMatch: ['tag'] });
    await fail(deleted, { ifMatch: '*' });
    await fail(deleted, { ifMatch: ['tag'] });
    await fail(present, { ifNoneMatch: '*' });
    await fail(present, { ifNoneMatch: ['other', 'tag'] });
    await fail(present, { ifMatch: ['other'] });
    await fail(present, { ifMatch: ['tag'], ifNoneMatch: ['tag'] });
    expect(await bucketStats(store(), bucket)).toEqual(before);

    await put(store(), bucket, absent, 'a', { precondition: { ifNoneMatch: '*' } });
    await put(store(), bucket, deleted, 'b', { precondition: { ifNoneMatch: '*' } });
    await put(store(), bucket, present, 'c', { precondition: { ifMatch: '*', ifNoneMatch: ['other'] } });
    await store().deleteObject({ commitId: newCommitId(), bucket, key: present, precondition: { ifMatch: ['c'] } });
  });

  it('one that fails takes nothing along of what commits with it', async () => {
    const bucket = await freshBucket(store());
    const taken = freshName();
    await put(store(), bucket, taken, 'here');
    const keys = Array.from({ length: 20 }, () => freshName());
    const results = await Promise.allSettled([
      ...keys.map(key => put(store(), bucket, key, 'fine')),
      ...keys.map(() => put(store(), bucket, taken, 'x', { precondition: { ifNoneMatch: '*' } })),
      ...keys.map(key => put(store(), bucket, key, 'fine too')),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      ...keys.map(() => 'fulfilled'),
      ...keys.map(() => 'rejected'),
      ...keys.map(() => 'fulfilled'),
    ]);
    expect(await bucketStats(store(), bucket)).toMatchObject({ objects: 21, versions: 41 });
  });

  it('of writers and deleters of one name, what is read last is what the last of them did', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    await Promise.all(
      Array.from({ length: 24 }, (_, index) => {
        const writer = index % 2 === 0 ? store() : other();
        return index % 3 === 0 ? remove(writer, bucket, key) : put(writer, bucket, key, `body ${index}`);
      }),
    );
    const [newest] = (await store().listVersions({ bucket, key })).entries;
    const seen = await other().find({ bucket, key });
    expect(newest).toMatchObject({ isCurrent: true, versionId: seen?.versionId, kind: seen?.kind });
    const { entries } = await store().listObjects({ bucket });
    expect(entries).toHaveLength(seen?.kind === 'object' ? 1 : 0);
  });

  it('a commit that is sent again happens once, and answers as the first time', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    const request = putRequest(bucket, key, 'content', { precondition: { ifNoneMatch: '*' } });
    const results = await Promise.all([store(), other(), store(), other()].map(writer => writer.commitPut(request)));
    for (const result of results) expect(result).toEqual(results[0]);
    const removal = { commitId: newCommitId(), bucket, key, mustExist: true };
    const removed = await store().deleteObject(removal);
    expect(await other().deleteObject(removal)).toEqual(removed);
    expect(await store().commitPut(request)).toEqual(results[0]);
    expect(await current(store(), bucket, key)).toBe('deleted');
    const versionId = results[0]?.versionId;
    if (versionId === undefined) throw new Error('no version');
    const last = { commitId: newCommitId(), bucket, key, versionId };
    expect(await store().deleteVersion(last)).toEqual(await other().deleteVersion(last));
    expect(await bucketStats(store(), bucket)).toMatchObject({ versions: 0, deleteMarkers: 1, logicalBytes: 0 });
  });

  it('forgets commits only when they are old enough', async () => {
    const bucket = await freshBucket(store());
    await put(store(), bucket, freshName(), 'content');
    expect(await store().forgetCommits({ olderThanMs: 3_600_000, limit: 1000 })).toBe(0);
    await new Promise(resolve => setTimeout(resolve, 5));
    expect(await store().forgetCommits({ olderThanMs: 0, limit: 1 })).toBe(1);
  });
}
