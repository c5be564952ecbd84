import { expect } from '@jest/globals';
import type { SuiteContext } from './store-under-test.js';
import { bytesOf, freshKey, readObject, writeObject } from './fixtures.js';

const FAILED = { code: 'precondition-failed' };
const LENGTHS = [10, 70_000];

export function stampCases({ store, itIf }: SuiteContext): void {
  const test = itIf('stamps');

  test.each(LENGTHS)('are kept, or raised when not newer (%d bytes)', async length => {
    const key = freshKey();
    const write = (stamp?: number) =>
      writeObject(store(), key, bytesOf(length), { length, ...(stamp === undefined ? {} : { stamp }) });
    expect((await write(1000)).stamp).toBe(1000);
    expect((await write(1000)).stamp).toBe(1001);
    expect((await write(5)).stamp).toBe(1002);
    expect((await write(2000)).stamp).toBe(2000);
    expect((await store().stat(key))?.stamp).toBe(2000);
    expect((await store().remove(key, { stamp: 7 })).stamp).toBe(2001);
    expect((await write(2001)).stamp).toBe(2002);
    const now = (await write()).stamp;
    expect(now).toBeGreaterThan(2002);
    expect((await write()).stamp).toBeGreaterThan(now);
  });

  test('of a removal are remembered when asked, even of what was never here', async () => {
    const [remembered, unheardOf] = [freshKey(), freshKey()];
    expect(await store().remove(remembered, { stamp: 500, remember: true })).toEqual({ existed: false, stamp: 500 });
    expect(await store().remove(unheardOf, { stamp: 500 })).toMatchObject({ existed: false });
    const move = { stamp: 400, move: { modifiedMs: 1 } };
    await expect(store().put(remembered, bytesOf(1), move)).rejects.toMatchObject(FAILED);
    expect(await store().open(remembered)).toBeUndefined();
    expect((await store().put(unheardOf, bytesOf(1), move)).stamp).toBe(400);
  });

  test.each(LENGTHS)('of a moving copy stay as they are, and older ones are refused (%d bytes)', async length => {
    const key = freshKey();
    const move = (seed: number, stamp: number) =>
      writeObject(store(), key, bytesOf(length, seed), { length, stamp, move: { modifiedMs: 123_456 } });
    expect(await move(1, 1000)).toMatchObject({ stamp: 1000, modifiedMs: 123_456 });
    await expect(move(2, 999)).rejects.toMatchObject(FAILED);
    await expect(move(1, 1000)).rejects.toMatchObject(FAILED);
    expect((await readObject(store(), key))?.equals(bytesOf(length, 1))).toBe(true);
    expect(await move(3, 1001)).toMatchObject({ stamp: 1001, modifiedMs: 123_456 });
    const { stamp } = await store().remove(key, {});
    await expect(move(4, stamp)).rejects.toMatchObject(FAILED);
    expect(await store().open(key)).toBeUndefined();
    expect((await move(5, stamp + 1)).stamp).toBe(stamp + 1);
  });

  test('that are equal are settled by the greater entity tag', async () => {
    const key = freshKey();
    const bodies = [bytesOf(10, 1), bytesOf(10, 2), bytesOf(10, 3)];
    const infos = await Promise.all(bodies.map(bytes => store().put(freshKey(), bytes, {})));
    const tags = infos.map(info => info.etag ?? '');
    for (const bytes of bodies) {
      await store()
        .put(key, bytes, { stamp: 1000, move: { modifiedMs: 1 } })
        .catch((error: unknown) => expect(error).toMatchObject(FAILED));
    }
    expect((await store().stat(key))?.etag).toBe(tags.sort().at(-1));
  });
}
