import { expect, it } from '@jest/globals';
import { crc32c } from '@node-rs/crc32';
import { setImmediate } from 'node:timers/promises';
import type { ExpectedDigests } from '../shard-store.js';
import type { SuiteContext } from './store-under-test.js';
import { BIG_BYTES, bytesOf, digest, freshKey, giveUp, readObject, writeObject } from './fixtures.js';

const LONG_CHUNK_BYTES = 5 * 1024 * 1024;
const LENGTHS = [0, 1000, 70_000, BIG_BYTES];

export function writerCases({ store, catalog, itIf }: SuiteContext): void {
  itIf('atomicWrites').each(LENGTHS)('that are aborted after %d bytes leave the old state', async length => {
    const [absent, overwritten] = [freshKey(), freshKey()];
    await store().put(overwritten, bytesOf(10), {});
    for (const key of [absent, overwritten]) {
      const writer = await store().create(key, {});
      await writer.write(bytesOf(length));
      await writer.abort();
      await writer.abort();
    }
    expect(await store().open(absent)).toBeUndefined();
    expect((await readObject(store(), overwritten))?.equals(bytesOf(10))).toBe(true);
  });

  itIf('atomicWrites').each(LENGTHS)('refuse fewer or more bytes than the %d that were declared', async length => {
    const key = freshKey();
    for (const received of [length - 1, length + 1].filter(count => count >= 0)) {
      await expect(writeObject(store(), key, bytesOf(received), { length })).rejects.toMatchObject({
        code: 'body-incomplete',
      });
    }
    expect(await store().stat(key)).toBeUndefined();
  });

  it('are done with a chunk when its write is, even with one that no socket takes at once', async () => {
    const key = freshKey();
    const bytes = bytesOf(12 * 1024 * 1024 + 1);
    const writer = await store().create(key, {});
    for (let offset = 0; offset < bytes.length; offset += LONG_CHUNK_BYTES) {
      const chunk = Buffer.alloc(Math.min(LONG_CHUNK_BYTES, bytes.length - offset));
      bytes.copy(chunk, 0, offset);
      await writer.write(chunk);
      giveUp(chunk, writer);
    }
    await writer.commit();
    expect((await readObject(store(), key))?.equals(bytes)).toBe(true);
  });

  it('show nothing before they commit', async () => {
    const key = freshKey();
    const writer = await store().create(key, { length: 70_000 });
    await writer.write(bytesOf(70_000));
    expect(await store().stat(key)).toBeUndefined();
    await writer.commit();
    expect((await store().stat(key))?.size).toBe(70_000);
  });

  itIf('catalog').each(LENGTHS)('store %d bytes only with the checksum that their sender told', async length => {
    const [key, bytes] = [freshKey(), bytesOf(length)];
    const sent = crc32c(bytes);
    for (const told of [sent + 1, sent]) {
      expect(await store().stat(key)).toBeUndefined();
      const writer = await catalog().create(key, {});
      await writer.write(bytes);
      // Who declared a digest has not damaged the bytes: the sum is looked at first.
      const expected = told === sent ? {} : { sha256: digest('sha256', bytesOf(length + 1)) };
      const committing = writer.commit({ crc32c: told, expected });
      if (told === sent) await committing;
      else await expect(committing).rejects.toMatchObject({ code: 'request-malformed' });
      await writer.abort();
    }
    expect((await readObject(store(), key))?.equals(bytes)).toBe(true);
  });

  itIf('digests').each(LENGTHS)('check the digests of %d bytes, told at the start or at the end', async length => {
    const bytes = bytesOf(length, 4);
    const right: ExpectedDigests = {
      sha256: digest('sha256', bytes),
      sha512: digest('sha512', bytes),
      md5: digest('md5', bytes),
    };
    const key = freshKey();
    for (const algorithm of ['sha256', 'sha512', 'md5'] as const) {
      const wrong = { ...right, [algorithm]: digest(algorithm, Buffer.from('something else')) };
      const refusal = { code: 'digest-mismatch' };
      await expect(store().put(key, bytes, { expected: wrong })).rejects.toMatchObject(refusal);
      await expect(writeObject(store(), key, bytes, { expected: wrong })).rejects.toMatchObject(refusal);
      const writer = await store().create(key, {});
      await writer.write(bytes);
      await expect(writer.commit({ expected: wrong })).rejects.toMatchObject(refusal);
      await writer.abort();
    }
    expect(await store().stat(key)).toBeUndefined();
    await store().put(key, bytes, { expected: right });
    await writeObject(store(), key, bytes, { expected: right });
    const writer = await store().create(key, {});
    await writer.write(bytes);
    await writer.commit({ expected: right });
    expect((await readObject(store(), key))?.equals(bytes)).toBe(true);
  });

  itIf('atomicWrites').each(['write', 'commit'])(
    'that are aborted during a %s leave all or nothing, and others alone',
    async during => {
      for (let turns = 0; turns < 30; turns += 1) {
        const key = freshKey();
        const bytes = bytesOf(300_000, turns);
        const writer = await store().create(key, {});
        const writing = Promise.resolve(writer.write(bytes));
        if (during === 'commit') await writing;
        const doing = during === 'commit' ? writer.commit() : writing;
        for (let turn = 0; turn < turns % 10; turn += 1) await setImmediate();
        const aborting = writer.abort();
        await Promise.all([1, 2, 3].map(other => expectToKeep(bytesOf(300_000, 100 * other + turns))));
        await Promise.allSettled([doing, aborting]);
        const left = await readObject(store(), key);
        expect(left === undefined || left.equals(bytes)).toBe(true);
      }
    },
  );

  async function expectToKeep(bytes: Buffer): Promise<void> {
    const key = freshKey();
    await writeObject(store(), key, bytes);
    expect((await readObject(store(), key))?.equals(bytes)).toBe(true);
  }

  itIf('atomicWrites')('whose signal is aborted store nothing', async () => {
    const key = freshKey();
    const controller = new AbortController();
    const writer = await store().create(key, { signal: controller.signal });
    await writer.write(bytesOf(100));
    controller.abort();
    await expect(writer.commit()).rejects.toMatchObject({ name: 'AbortError' });
    await writer.abort();
    await expect(store().put(key, bytesOf(1), { signal: controller.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(await store().stat(key)).toBeUndefined();
  });
}
