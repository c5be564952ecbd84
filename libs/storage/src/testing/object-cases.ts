import { expect, it } from '@jest/globals';
import { crc32c } from '@node-rs/crc32';
import { contentHash } from '../content-hash.js';
import type { SuiteContext } from './store-under-test.js';
import { BIG_BYTES, bytesOf, freshKey, readAll, readObject, writeObject } from './fixtures.js';

export function objectCases({ store, itIf }: SuiteContext): void {
  it.each([0, 1, 1024, 65_535, 65_536, 65_537, BIG_BYTES])('of %d bytes come back as they went in', async length => {
    const put = freshKey('put');
    const streamed = freshKey('streamed');
    const bytes = bytesOf(length, length);
    await store().put(put, bytes, {});
    await writeObject(store(), streamed, bytes, { length });
    expect((await readObject(store(), put))?.equals(bytes)).toBe(true);
    expect((await readObject(store(), streamed))?.equals(bytes)).toBe(true);
    expect((await store().stat(put))?.size).toBe(length);
    expect((await store().stat(streamed))?.size).toBe(length);
  });

  it('of unknown length come back whole, small and big', async () => {
    for (const length of [0, 10, 70_000, BIG_BYTES]) {
      const key = freshKey();
      const bytes = bytesOf(length, 7);
      await writeObject(store(), key, bytes);
      expect((await readObject(store(), key))?.equals(bytes)).toBe(true);
    }
  });

  it('that are not there are undefined, not an error', async () => {
    const key = freshKey('absent');
    expect(await store().open(key)).toBeUndefined();
    expect(await store().stat(key)).toBeUndefined();
  });

  it('are replaced whole, small by big by small', async () => {
    const key = freshKey();
    for (const length of [100, BIG_BYTES, 50, 70_000, 70_001, 0]) {
      const bytes = bytesOf(length, length + 1);
      await writeObject(store(), key, bytes, { length });
      expect((await readObject(store(), key))?.equals(bytes)).toBe(true);
    }
  });

  it('do not change when the caller uses its buffer again', async () => {
    const key = freshKey();
    const bytes = bytesOf(500);
    await store().put(key, bytes, {});
    bytes.fill(0);
    expect((await readObject(store(), key))?.equals(bytesOf(500))).toBe(true);
  });

  it('put many at once are all there', async () => {
    const named = Array.from({ length: 200 }, (_, index) => ({
      key: freshKey('many'),
      bytes: bytesOf(300 + index, index),
    }));
    await Promise.all(named.map(({ key, bytes }) => store().put(key, bytes, {})));
    for (const { key, bytes } of named) expect((await readObject(store(), key))?.equals(bytes)).toBe(true);
  });

  it('put under one name at once are one of them, whole', async () => {
    const key = freshKey();
    const bodies = Array.from({ length: 32 }, (_, index) => bytesOf(index % 4 === 0 ? 70_000 : 1000, index));
    await Promise.all(bodies.map(bytes => writeObject(store(), key, bytes, { length: bytes.length })));
    const first = await readObject(store(), key);
    expect(bodies.some(bytes => first?.equals(bytes))).toBe(true);
    expect((await readObject(store(), key))?.equals(first ?? Buffer.alloc(0))).toBe(true);
  });

  itIf('metadata')('keep their attributes, tag, CRC and time', async () => {
    const attributes = {
      contentType: 'text/plain; charset=utf-8',
      cacheControl: 'max-age=60',
      contentEncoding: 'gzip',
    };
    for (const length of [0, 2000, BIG_BYTES]) {
      const key = freshKey();
      const bytes = bytesOf(length, 3);
      const before = Date.now();
      const info = await writeObject(store(), key, bytes, { attributes, length });
      expect(info).toMatchObject({
        ...attributes,
        size: length,
        etag: contentHash.of(bytes).toString('hex'),
        crc32c: crc32c(bytes),
      });
      expect(info.modifiedMs).toBeGreaterThanOrEqual(before);
      expect(await store().stat(key)).toEqual(info);
      const reader = await store().open(key);
      expect(reader?.info).toEqual(info);
      await reader?.close();
    }
  });

  itIf('metadata')('without attributes have none', async () => {
    const key = freshKey();
    await store().put(key, bytesOf(5), {});
    expect(Object.keys((await store().stat(key)) ?? {}).sort()).toEqual([
      'crc32c',
      'etag',
      'modifiedMs',
      'size',
      'stamp',
    ]);
  });

  itIf('remove')('are gone when removed, and existed once', async () => {
    for (const length of [0, 100, 70_000]) {
      const key = freshKey();
      await writeObject(store(), key, bytesOf(length), { length });
      expect((await store().remove(key, {})).existed).toBe(true);
      expect(await store().open(key)).toBeUndefined();
      expect(await store().stat(key)).toBeUndefined();
      expect((await store().remove(key, {})).existed).toBe(false);
      await writeObject(store(), key, bytesOf(length + 1), { length: length + 1 });
      expect((await store().stat(key))?.size).toBe(length + 1);
    }
  });

  itIf('steadyReaders')('are read to their end though overwritten or removed meanwhile', async () => {
    for (const length of [1000, BIG_BYTES]) {
      const key = freshKey();
      const bytes = bytesOf(length, 9);
      await writeObject(store(), key, bytes, { length });
      const [overwritten, removed] = [await store().open(key), await store().open(key)];
      if (overwritten === undefined || removed === undefined) throw new Error('The object is not there.');
      await writeObject(store(), key, bytesOf(length, 10), { length });
      expect((await readAll(overwritten)).equals(bytes)).toBe(true);
      await store().remove(key, {});
      expect((await readAll(removed)).equals(bytes)).toBe(true);
      await Promise.all([overwritten.close(), removed.close()]);
    }
  });

  it('stop flowing when their sink fails, with its error', async () => {
    const key = freshKey();
    await writeObject(store(), key, bytesOf(BIG_BYTES), { length: BIG_BYTES });
    const reader = await store().open(key);
    const failure = Object.assign(new Error('the client went away'), { code: 'ECONNRESET' });
    await expect(reader?.copyTo(() => Promise.reject(failure))).rejects.toBe(failure);
    await reader?.close();
    await reader?.close();
  });

  it('stop flowing when the signal says so', async () => {
    const key = freshKey();
    await writeObject(store(), key, bytesOf(BIG_BYTES), { length: BIG_BYTES });
    const reader = await store().open(key);
    const controller = new AbortController();
    const copying = reader?.copyTo(async () => controller.abort(), undefined, { signal: controller.signal });
    await expect(copying).rejects.toMatchObject({ name: 'AbortError' });
    await reader?.close();
  });
}
