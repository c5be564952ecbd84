import { expect, it } from '@jest/globals';
import { NULL_VERSION, newCommitId, toSha256, type VersionId } from '../model/ids.js';
import { layoutOf, serverOf } from '../model/blob.js';
import { SERVERS, current, freshBucket, freshName, newBlob, put, remove } from './fixtures.js';
import type { SuiteContext } from './store-under-test.js';

export function versionCases({ store, other }: SuiteContext): void {
  it('gives back all that a version was made with', async () => {
    const bucket = await freshBucket(store());
    const key = freshName('schlüssel 🙂');
    const attributes = {
      headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache' },
      userMetadata: { colour: 'grün', empty: '' },
      tags: { 'a b': 'c' },
      checksums: { crc32c: 'AAAAAA==' },
    };
    const [a, b, c, d] = SERVERS;
    const blob = newBlob('bytes', {
      size: 9_000_000_000_000,
      storedBytes: 13_500_000_000_000,
      sha256: toSha256('ab'.repeat(32)),
      layout: layoutOf([
        [a, b, c],
        [d, undefined, a],
      ]),
    });
    const result = await put(store(), bucket, key, 'tag', { ...attributes, content: { kind: 'stored', blob } });
    expect(result).toMatchObject({ blobId: blob.id, deduplicated: false });
    const { versionId, createdMs } = result;
    const expected = { kind: 'object', bucket, key, versionId, createdMs, size: blob.size, etag: 'tag', ...attributes };
    const { entries } = await other().listVersions({ bucket, key });
    expect(entries).toMatchObject([{ versionId, etag: 'tag', checksums: attributes.checksums }]);
    for (const request of [
      { bucket, key },
      { bucket, key, versionId },
    ]) {
      const version = await other().find(request);
      expect(version).toMatchObject(expected);
      if (version?.kind !== 'object') throw new Error('no object');
      expect(version.blobs).toHaveLength(1);
      const [found] = version.blobs;
      const { layout, ...rest } = blob;
      expect(found).toMatchObject(rest);
      const places = [0, 1].map(segment => [0, 1, 2].map(shard => found && serverOf(found.layout, segment, shard)));
      expect(places).toEqual([
        [a, b, c],
        [d, undefined, a],
      ]);
      expect(layout.servers).toHaveLength(4);
    }
    expect(Math.abs(Date.now() - createdMs)).toBeLessThan(60_000);
  });

  it('keeps every version, the newest current, under ids that sort by age', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    const ids: VersionId[] = [];
    for (let index = 0; index < 12; index += 1) {
      ids.push((await put(index % 2 === 0 ? store() : other(), bucket, key, `v${index}`)).versionId);
    }
    expect([...ids].sort()).toEqual(ids);
    expect(await current(other(), bucket, key)).toBe('v11');
    for (const [index, versionId] of ids.entries()) {
      expect(await store().find({ bucket, key, versionId })).toMatchObject({ etag: `v${index}` });
    }
    expect(await store().find({ bucket, key: freshName(), versionId: ids[0] as VersionId })).toBeUndefined();
    for (const versionId of ['null', '', 'zzzzzzzzzzz', "'", '00000000000', '../..'] as VersionId[]) {
      expect(await store().find({ bucket, key, versionId })).toBeUndefined();
    }
  });

  it('leaves a delete marker, and the versions under it', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    const { versionId } = await put(store(), bucket, key, 'content');
    const { existed, deleteMarker } = await remove(store(), bucket, key);
    expect(existed).toBe(true);
    expect(await store().find({ bucket, key })).toMatchObject({ kind: 'delete-marker', versionId: deleteMarker });
    expect(await store().find({ bucket, key, versionId })).toMatchObject({ etag: 'content' });
    expect((await remove(store(), bucket, key)).existed).toBe(false);
    await put(store(), bucket, key, 'again');
    expect(await current(store(), bucket, key)).toBe('again');
  });

  it('removes one version for good; the newest of the rest is current then', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    const first = await put(store(), bucket, key, 'first');
    const second = await put(store(), bucket, key, 'second');
    const { deleteMarker } = await remove(store(), bucket, key);
    const third = await put(store(), bucket, key, 'third');
    const gone = (versionId: VersionId) => store().deleteVersion({ commitId: newCommitId(), bucket, key, versionId });
    expect(await gone(third.versionId)).toEqual({ kind: 'object' });
    expect(await current(store(), bucket, key)).toBe('deleted');
    expect(await gone(deleteMarker as VersionId)).toEqual({ kind: 'delete-marker' });
    expect(await current(store(), bucket, key)).toBe('second');
    expect(await gone(first.versionId)).toEqual({ kind: 'object' });
    expect(await current(store(), bucket, key)).toBe('second');
    await gone(second.versionId);
    expect(await store().find({ bucket, key })).toBeUndefined();
    await expect(gone(second.versionId)).rejects.toMatchObject({ code: 'version-not-found' });
    await expect(gone(NULL_VERSION)).rejects.toMatchObject({ code: 'version-not-found' });
    const fresh = await put(store(), bucket, key, 'fresh');
    expect(fresh.versionId > third.versionId).toBe(true);
  });

  it('refuses to delete what is not there, when asked to', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    const request = () => ({ commitId: newCommitId(), bucket, key, mustExist: true });
    await expect(store().deleteObject(request())).rejects.toMatchObject({ code: 'object-not-found' });
    expect((await store().listVersions({ bucket })).entries).toEqual([]);
    await put(store(), bucket, key, 'content');
    expect((await store().deleteObject(request())).existed).toBe(true);
    await expect(store().deleteObject(request())).rejects.toMatchObject({ code: 'object-not-found' });
  });

  it('keeps one version, the null version, where versions were never kept', async () => {
    const bucket = await freshBucket(store(), 'never');
    const key = freshName();
    expect((await put(store(), bucket, key, 'first')).versionId).toBe('null');
    expect((await put(store(), bucket, key, 'second')).versionId).toBe('null');
    expect((await store().listVersions({ bucket })).entries).toMatchObject([{ etag: 'second', isCurrent: true }]);
    expect(await store().find({ bucket, key, versionId: NULL_VERSION })).toMatchObject({ etag: 'second' });
    expect(await remove(store(), bucket, key)).toEqual({ existed: true });
    expect((await store().listVersions({ bucket })).entries).toEqual([]);
    expect(await remove(store(), bucket, key)).toEqual({ existed: false });
  });

  it('while suspended, replaces the null version and no other', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    const kept = await put(store(), bucket, key, 'kept');
    await store().updateBucket({ commitId: newCommitId(), name: bucket, versioning: 'suspended' });
    await put(store(), bucket, key, 'null 1');
    await put(store(), bucket, key, 'null 2');
    expect((await store().listVersions({ bucket })).entries).toMatchObject([
      { etag: 'null 2', versionId: 'null', isCurrent: true },
      { etag: 'kept', versionId: kept.versionId, isCurrent: false },
    ]);
    expect(await remove(store(), bucket, key)).toEqual({ existed: true, deleteMarker: 'null' });
    expect((await store().listVersions({ bucket })).entries).toMatchObject([
      { kind: 'delete-marker', versionId: 'null', isCurrent: true },
      { etag: 'kept' },
    ]);
    await store().updateBucket({ commitId: newCommitId(), name: bucket, versioning: 'enabled' });
    await put(store(), bucket, key, 'new');
    await store().deleteVersion({ commitId: newCommitId(), bucket, key, versionId: NULL_VERSION });
    expect((await store().listVersions({ bucket })).entries).toMatchObject([{ etag: 'new' }, { etag: 'kept' }]);
  });

  it('replaces the tags of a version', async () => {
    const bucket = await freshBucket(store());
    const key = freshName();
    const { versionId } = await put(store(), bucket, key, 'first', { tags: { old: 'tag' } });
    await put(store(), bucket, key, 'second', { tags: { old: 'tag' } });
    await store().setTags({ commitId: newCommitId(), bucket, key, versionId, tags: { new: 'tag' } });
    await store().setTags({ commitId: newCommitId(), bucket, key, tags: {} });
    expect(await store().find({ bucket, key, versionId })).toMatchObject({ tags: { new: 'tag' } });
    expect(await store().find({ bucket, key })).toMatchObject({ tags: {} });
    const absent = { commitId: newCommitId(), bucket, key: freshName(), tags: {} };
    await expect(store().setTags(absent)).rejects.toMatchObject({ code: 'object-not-found' });
  });
}
