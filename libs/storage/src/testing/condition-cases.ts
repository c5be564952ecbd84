import { expect } from '@jest/globals';
import type { Precondition } from '../shard-store.js';
import type { SuiteContext } from './store-under-test.js';
import { BIG_BYTES, bytesOf, freshKey, readObject, writeObject } from './fixtures.js';

const FAILED = { code: 'precondition-failed' };
const OTHER_TAG = '0'.repeat(64);

export function conditionCases({ store, itIf }: SuiteContext): void {
  const test = itIf('preconditions');

  test('of 32 writers that want to be the first, exactly one is', async () => {
    for (const lengthOf of [() => 100, () => 70_000, (index: number) => (index % 2 === 0 ? 100 : 70_000)]) {
      const key = freshKey();
      const bodies = Array.from({ length: 32 }, (_, index) => bytesOf(lengthOf(index), index));
      const results = await Promise.allSettled(
        bodies.map(bytes =>
          writeObject(store(), key, bytes, { length: bytes.length, precondition: { ifNoneMatch: '*' } }),
        ),
      );
      const winners = results.flatMap((result, index) => (result.status === 'fulfilled' ? [index] : []));
      expect(winners).toHaveLength(1);
      for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject(FAILED);
      expect((await readObject(store(), key))?.equals(bodies[winners[0] ?? -1] ?? Buffer.alloc(0))).toBe(true);
    }
  });

  test.each([100, BIG_BYTES])(
    'of 8 writers that replace the same state of %d bytes, exactly one does',
    async length => {
      const key = freshKey();
      const { etag = '' } = await writeObject(store(), key, bytesOf(length), { length });
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) =>
          writeObject(store(), key, bytesOf(length, index + 2), {
            length,
            precondition: { ifMatch: [OTHER_TAG, etag] },
          }),
        ),
      );
      expect(results.filter(result => result.status === 'fulfilled')).toHaveLength(1);
    },
  );

  test('decide on put, create and remove alike', async () => {
    const [absent, present] = [freshKey(), freshKey()];
    const { etag = '' } = await store().put(present, bytesOf(10), {});
    const fail = async (key: typeof absent, precondition: Precondition) => {
      await expect(store().put(key, bytesOf(11), { precondition })).rejects.toMatchObject(FAILED);
      await expect(store().create(key, { precondition })).rejects.toMatchObject(FAILED);
      await expect(store().remove(key, { precondition })).rejects.toMatchObject(FAILED);
    };
    await fail(absent, { ifMatch: '*' });
    await fail(absent, { ifMatch: [etag] });
    await fail(present, { ifNoneMatch: '*' });
    await fail(present, { ifNoneMatch: [OTHER_TAG, etag] });
    await fail(present, { ifMatch: [OTHER_TAG] });
    await fail(present, { ifMatch: [etag], ifNoneMatch: [etag] });
    expect((await store().stat(present))?.etag).toBe(etag);

    await store().put(absent, bytesOf(1), { precondition: { ifNoneMatch: '*' } });
    await store().put(present, bytesOf(10), { precondition: { ifMatch: '*', ifNoneMatch: [OTHER_TAG] } });
    await store().remove(present, { precondition: { ifMatch: [etag] } });
    await store().put(present, bytesOf(3), { precondition: { ifNoneMatch: '*' } });
  });

  test('are checked again when a writer commits', async () => {
    const key = freshKey();
    const writer = await store().create(key, { precondition: { ifNoneMatch: '*' } });
    await store().put(key, bytesOf(5), {});
    await writer.write(bytesOf(6));
    await expect(writer.commit()).rejects.toMatchObject(FAILED);
    await writer.abort();
    expect((await readObject(store(), key))?.equals(bytesOf(5))).toBe(true);
  });
}
