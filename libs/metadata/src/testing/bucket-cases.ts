import { expect, it } from '@jest/globals';
import { NATIVE_BUCKET, newCommitId, toBucketName } from '../model/ids.js';
import { toRedundancy } from '../model/redundancy.js';
import { COPIES, freshBucket, freshName, put, remove } from './fixtures.js';
import type { SuiteContext } from './store-under-test.js';

export function bucketCases({ store, other }: SuiteContext): void {
  it('has the native bucket from the start, with versions kept', async () => {
    expect(await store().findBucket(NATIVE_BUCKET)).toMatchObject({ name: 'objects', versioning: 'enabled' });
  });

  it('keeps what a bucket is made with, and what is changed', async () => {
    const bucket = await freshBucket(store(), 'never');
    const settings = { 'lifecycle-rules': '[]', owner: 'Ärger 🙂' };
    const redundancy = toRedundancy('ec:4+2');
    await store().updateBucket({ commitId: newCommitId(), name: bucket, versioning: 'enabled', redundancy });
    await other().updateBucket({ commitId: newCommitId(), name: bucket, settings });
    const expected = { name: bucket, versioning: 'enabled', redundancy: 'ec:4+2', settings };
    expect(await store().findBucket(bucket)).toMatchObject(expected);
    expect((await other().listBuckets()).find(({ name }) => name === bucket)).toMatchObject(expected);
  });

  it('refuses a name that is taken, and does not mistake a second try for one', async () => {
    const name = await freshBucket(store());
    const again = { commitId: newCommitId(), name, versioning: 'never' as const, redundancy: COPIES };
    await expect(store().createBucket(again)).rejects.toMatchObject({ code: 'bucket-exists' });
    const fresh = { ...again, name: toBucketName(`${name}-second`) };
    const first = await store().createBucket(fresh);
    expect(await other().createBucket(fresh)).toEqual(first);
  });

  it('removes only what is empty', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    const { versionId } = await put(store(), bucket, key, 'content');
    const marker = (await remove(store(), bucket, key)).deleteMarker;
    const removeBucket = () => store().deleteBucket({ commitId: newCommitId(), name: bucket });
    await expect(removeBucket()).rejects.toMatchObject({ code: 'bucket-not-empty' });
    for (const version of [versionId, marker]) {
      if (version === undefined) throw new Error('no delete marker');
      await store().deleteVersion({ commitId: newCommitId(), bucket, key, versionId: version });
    }
    await removeBucket();
    expect(await store().findBucket(bucket)).toBeUndefined();
    await expect(removeBucket()).rejects.toMatchObject({ code: 'bucket-not-found' });
  });

  it('says which operation names no bucket', async () => {
    const bucket = toBucketName('nowhere');
    const key = freshName();
    const refused = { code: 'bucket-not-found' };
    await expect(put(store(), bucket, key, 'x')).rejects.toMatchObject(refused);
    await expect(remove(store(), bucket, key)).rejects.toMatchObject(refused);
    await expect(store().find({ bucket, key })).rejects.toMatchObject(refused);
    await expect(store().listObjects({ bucket })).rejects.toMatchObject(refused);
    await expect(store().listObjects({ bucket, delimiter: '/' })).rejects.toMatchObject(refused);
    await expect(store().listVersions({ bucket })).rejects.toMatchObject(refused);
  });

  it('loses no object to a bucket that is removed at the same moment', async () => {
    for (let round = 0; round < 10; round += 1) {
      const bucket = await freshBucket(store());
      const key = freshName();
      const [removed, stored] = await Promise.allSettled([
        other().deleteBucket({ commitId: newCommitId(), name: bucket }),
        put(store(), bucket, key, 'content'),
      ]);
      if (stored.status === 'fulfilled') {
        expect(removed).toMatchObject({ reason: { code: 'bucket-not-empty' } });
        expect(await store().find({ bucket, key })).toMatchObject({ kind: 'object' });
      } else expect(stored.reason).toMatchObject({ code: 'bucket-not-found' });
    }
  });
}
