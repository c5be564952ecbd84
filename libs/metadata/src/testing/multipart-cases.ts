import { expect, it } from '@jest/globals';
import { newCommitId, newUploadId, type BucketName, type UploadId } from '../model/ids.js';
import { bucketStats, freshBucket, freshName, name, newBlob } from './fixtures.js';
import type { SuiteContext } from './store-under-test.js';

export function multipartCases({ store, other }: SuiteContext): void {
  const begin = async (bucket: BucketName, key = freshName()) =>
    store().createUpload({ uploadId: newUploadId(), bucket, key, headers: { 'content-type': 'video/mp4' } });
  const putPart = (uploadId: UploadId, part: number, content: string) =>
    other().putPart({
      commitId: newCommitId(),
      uploadId,
      part,
      etag: `tag of ${content}`,
      content: { kind: 'stored', blob: newBlob(content) },
    });

  it('makes the named parts one version, in order, and drops the rest', async () => {
    const bucket = await freshBucket(store());
    const { uploadId, key } = await begin(bucket);
    for (const [part, content] of [
      [3, 'ccc'],
      [1, 'replaced'],
      [1, 'a'],
      [7, 'unused'],
      [2, 'bb'],
    ] as const) {
      await putPart(uploadId, part, `${content} ${bucket}`);
    }
    const { parts } = await store().listParts({ uploadId });
    expect(parts.map(({ part }) => part)).toEqual([1, 2, 3, 7]);
    const named = parts.slice(0, 3).map(({ part, etag }) => ({ part, etag }));
    expect(await bucketStats(store(), bucket)).toMatchObject({
      deduplicatedBytes: 0,
      unreferencedBytes: `replaced ${bucket}`.length,
    });
    const complete = { commitId: newCommitId(), uploadId, parts: named, etag: 'whole-3' };
    const result = await store().completeUpload(complete);
    expect(await other().completeUpload(complete)).toEqual(result);
    const version = await other().find({ bucket, key });
    if (version?.kind !== 'object') throw new Error('no object');
    const sizes = ['a', 'bb', 'ccc'].map(content => `${content} ${bucket}`.length);
    expect(version).toMatchObject({
      etag: 'whole-3',
      versionId: result.versionId,
      headers: { 'content-type': 'video/mp4' },
    });
    expect(version.blobs.map(({ size }) => size)).toEqual(sizes);
    expect(version.size).toBe(sizes.reduce((sum, size) => sum + size));
    expect(await store().findUpload(uploadId)).toBeUndefined();
    await new Promise(resolve => setTimeout(resolve, 5));
    await store().freeBlobs({ graceMs: 0, leaseMs: 60_000, limit: 1000 });
    expect(await bucketStats(store(), bucket)).toMatchObject({
      objects: 1,
      blobs: 3,
      logicalBytes: version.size,
      unreferencedBytes: 0,
    });
    await store().deleteVersion({ commitId: newCommitId(), bucket, key, versionId: result.versionId });
    await new Promise(resolve => setTimeout(resolve, 5));
    // Among what other cases freed a minute ago and did not forget.
    const freed = (await store().freeBlobs({ graceMs: 0, leaseMs: 60_000, limit: 1000 })).map(({ id }) => id);
    expect(freed).toEqual(expect.arrayContaining(version.blobs.map(({ id }) => id)));
    expect(await bucketStats(store(), bucket)).toMatchObject({
      objects: 0,
      blobs: 0,
      storedBytes: 0,
      logicalBytes: 0,
      deduplicatedBytes: 0,
      unreferencedBytes: 0,
    });
  });

  it('refuses parts that are missing, changed or out of order, and keeps the upload', async () => {
    const bucket = await freshBucket(store());
    const { uploadId, key } = await begin(bucket);
    await putPart(uploadId, 1, 'a');
    await putPart(uploadId, 2, 'b');
    const [a, b] = (await store().listParts({ uploadId })).parts;
    if (a === undefined || b === undefined) throw new Error('no parts');
    for (const parts of [[], [{ part: 3, etag: 'x' }], [{ part: 1, etag: 'x' }], [b, a], [a, a]]) {
      const complete = { commitId: newCommitId(), uploadId, parts, etag: 'whole' };
      await expect(store().completeUpload(complete)).rejects.toMatchObject({ code: 'part-invalid' });
    }
    const conditional = { commitId: newCommitId(), uploadId, parts: [a, b], etag: 'whole' };
    await expect(store().completeUpload({ ...conditional, precondition: { ifMatch: '*' } })).rejects.toMatchObject({
      code: 'precondition-failed',
    });
    expect((await store().listParts({ uploadId })).parts).toHaveLength(2);
    await store().completeUpload(conditional);
    expect(await store().find({ bucket, key })).toMatchObject({ etag: 'whole' });
  });

  it('aborts, and frees what was stored', async () => {
    const bucket = await freshBucket(store());
    const { uploadId } = await begin(bucket);
    await putPart(uploadId, 1, `aborted ${bucket}`);
    await expect(store().deleteBucket({ commitId: newCommitId(), name: bucket })).rejects.toMatchObject({
      code: 'bucket-not-empty',
    });
    const abort = { commitId: newCommitId(), uploadId };
    await store().abortUpload(abort);
    await other().abortUpload(abort);
    const gone = { code: 'upload-not-found' };
    await expect(putPart(uploadId, 2, 'late')).rejects.toMatchObject(gone);
    await expect(store().listParts({ uploadId })).rejects.toMatchObject(gone);
    await expect(store().abortUpload({ ...abort, commitId: newCommitId() })).rejects.toMatchObject(gone);
    await new Promise(resolve => setTimeout(resolve, 5));
    await store().freeBlobs({ graceMs: 0, leaseMs: 60_000, limit: 1000 });
    expect(await bucketStats(store(), bucket)).toMatchObject({ blobs: 0, storedBytes: 0 });
    await store().deleteBucket({ commitId: newCommitId(), name: bucket });
  });

  it('lists uploads by key and id, page by page', async () => {
    const bucket = await freshBucket(store());
    const made = [];
    for (const key of ['a', 'b/1', 'b/1', 'b/2', 'c']) made.push(await begin(bucket, name(key)));
    const expected = made.map(({ key, uploadId }) => `${key} ${uploadId}`).sort();
    const found: string[] = [];
    let page = await store().listUploads({ bucket, limit: 2 });
    for (;;) {
      found.push(...page.uploads.map(({ key, uploadId }) => `${key} ${uploadId}`));
      const last = page.uploads.at(-1);
      if (!page.hasMore || last === undefined) break;
      page = await store().listUploads({ bucket, limit: 2, after: { key: last.key, uploadId: last.uploadId } });
    }
    expect(found).toEqual(expected);
    expect((await store().listUploads({ bucket, prefix: 'b/' })).uploads).toHaveLength(3);
    expect((await store().listUploads({ bucket, after: { key: 'b/1' } })).uploads).toHaveLength(2);
  });
}
