import { expect, it } from '@jest/globals';
import { eachObject, eachVersion } from '../each-page.js';
import { compareKeys } from '../operations/key-order.js';
import type { BucketName } from '../model/ids.js';
import type {
  CommonPrefix,
  Cursor,
  ListedObject,
  ListedVersion,
  ListObjectsRequest,
  ListVersionsRequest,
} from '../model/listing.js';
import { freshBucket, name, put, remove } from './fixtures.js';
import type { SuiteContext } from './store-under-test.js';

/** In UTF-16 the surrogates of 🙂 come before U+FFFD; in UTF-8, which counts, they come behind it. */
const AWKWARD = [
  'a',
  'a\u0001',
  'a/',
  'a/b',
  'a/b/c',
  'a/c',
  'a0',
  'b//x',
  'b/x',
  'é',
  '\u{FFFD}',
  '\u{1F642}',
  '\u{10FFFF}',
  '\u{10FFFF}/x',
  '\u{10FFFF}\u{10FFFF}y',
  '\u{10FFFF}\u{10FFFF}z',
  'a\u{10FFFF}1',
  'a\u{10FFFF}\u{10FFFF}2',
  'a\u{10FFFF}b\u{10FFFF}3',
  '%',
  '_',
  'A',
];

const AFTER = [undefined, '', 'a', 'a/', 'a/b', 'a\u{10FFFF}', 'b/', '\u{1F642}', '\u{10FFFF}', '\u{10FFFF}\u{10FFFF}'];

export function listingCases({ store, other }: SuiteContext): void {
  const fill = async (keys: readonly string[]): Promise<BucketName> => {
    const bucket = await freshBucket(store());
    await Promise.all(keys.map(key => put(store(), bucket, name(key), `tag of ${key}`)));
    return bucket;
  };
  const list = (request: ListObjectsRequest): Promise<string[]> => shown(eachObject(other(), request));
  const listAllVersions = (request: ListVersionsRequest): Promise<string[]> => shown(eachVersion(other(), request));

  it('orders keys by their UTF-8 bytes', async () => {
    const bucket = await fill(AWKWARD);
    expect(await list({ bucket })).toEqual([...AWKWARD].sort(compareKeys));
    expect(await list({ bucket, limit: 1 })).toEqual([...AWKWARD].sort(compareKeys));
  });

  it('agrees with a plain filter for every prefix, delimiter, start and page size', async () => {
    const bucket = await fill(AWKWARD);
    for (const prefix of ['', 'a', 'a/', 'b/', 'b//', '\u{10FFFF}', 'nothing']) {
      for (const delimiter of ['', '/', 'b', '//', '\u{10FFFF}', 'ab']) {
        for (const after of AFTER) {
          const expected = plainListing(AWKWARD, { prefix, delimiter, after });
          for (const limit of [1, 2, 1000]) {
            const request = { bucket, prefix, limit, ...(delimiter === '' ? {} : { delimiter }) };
            const found = await list(after === undefined ? request : { ...request, after });
            expect([prefix, delimiter, after, limit, ...found]).toEqual([prefix, delimiter, after, limit, ...expected]);
          }
        }
      }
    }
  });

  it('agrees with a plain filter among versions too', async () => {
    const bucket = await fill(AWKWARD);
    const twice = ['a', 'a/b', '\u{10FFFF}', '\u{10FFFF}\u{10FFFF}y'];
    for (const key of twice) await put(store(), bucket, name(key), 'newer');
    for (const prefix of ['', 'a', 'a/', '\u{10FFFF}']) {
      for (const delimiter of ['/', 'b', '\u{10FFFF}']) {
        for (const after of AFTER) {
          const plain = plainListing(AWKWARD, { prefix, delimiter, after });
          const expected = plain.flatMap(entry => (twice.includes(entry) ? [entry, entry] : [entry]));
          for (const limit of [1, 1000]) {
            const request = { bucket, prefix, delimiter, limit, ...(after !== undefined && { after: { key: after } }) };
            const found = await listAllVersions(request);
            expect([prefix, delimiter, after, limit, ...found]).toEqual([prefix, delimiter, after, limit, ...expected]);
          }
        }
      }
    }
  });

  it('shows what a listing needs, and no deleted object', async () => {
    const bucket = await fill(['one', 'two', 'three']);
    const { versionId, createdMs } = await put(store(), bucket, name('two'), 'newer');
    await remove(store(), bucket, name('three'));
    const { entries, cursor } = await other().listObjects({ bucket });
    expect(cursor).toBeUndefined();
    expect(entries).toMatchObject([
      { kind: 'object', key: 'one', etag: 'tag of one', size: 'tag of one'.length },
      { kind: 'object', key: 'two', versionId, etag: 'newer', size: 5, createdMs },
    ]);
  });

  it('refuses a cursor that is not its own', async () => {
    const bucket = await fill(['a', 'b']);
    const { cursor } = await store().listVersions({ bucket, limit: 1 });
    for (const bad of ['', 'x', 'e30', cursor] as Cursor[]) {
      await expect(store().listObjects({ bucket, cursor: bad })).rejects.toMatchObject({ code: 'cursor-invalid' });
    }
  });

  it('lists versions by key, the newest first, over any pages', async () => {
    const bucket = await freshBucket(store());
    const expected: string[] = [];
    for (const key of ['a', 'a/b', 'b']) {
      const ofKey = [];
      for (let index = 0; index < 4; index += 1)
        ofKey.push((await put(store(), bucket, name(key), `${index}`)).versionId);
      const { deleteMarker } = await remove(store(), bucket, name(key));
      expected.push(...[...ofKey, deleteMarker].toReversed().map(id => `${key} ${id}`));
    }
    for (const limit of [1, 2, 5, 1000]) {
      const found: string[] = [];
      const current: boolean[] = [];
      for await (const entry of eachVersion(other(), { bucket, limit })) {
        if (entry.kind === 'prefix') throw new Error('no delimiter was given');
        found.push(`${entry.key} ${entry.versionId}`);
        current.push(entry.isCurrent);
      }
      expect(found).toEqual(expected);
      expect(current).toEqual(expected.map((_, index) => index % 5 === 0));
    }
    const ofOne = await other().listVersions({ bucket, key: name('a/b') });
    expect(ofOne.entries.map(entry => entry.kind !== 'prefix' && `a/b ${entry.versionId}`)).toEqual(
      expected.slice(5, 10),
    );
    const third = ofOne.entries[2];
    if (third === undefined || third.kind === 'prefix') throw new Error('no third version');
    const older = await store().listVersions({ bucket, after: { key: 'a/b', versionId: third.versionId } });
    expect(older.entries).toHaveLength(7);
    expect((await store().listVersions({ bucket, after: { key: 'a/b' } })).entries).toHaveLength(5);
    expect((await store().listVersions({ bucket, prefix: 'a/' })).entries).toHaveLength(5);
  });

  it('shows common prefixes among versions, over any pages', async () => {
    const bucket = await fill([
      ...Array.from({ length: 40 }, (_, index) => `x${index % 7}/${index}`),
      'plain',
      'x',
      'z',
    ]);
    await put(store(), bucket, name('x'), 'second');
    const expected = ['plain', 'x', 'x', ...Array.from({ length: 7 }, (_, index) => `x${index}/ *`), 'z'];
    for (const limit of [1, 3, 1000]) {
      const found: string[] = [];
      for await (const entry of eachVersion(store(), { bucket, delimiter: '/', limit })) {
        found.push(entry.kind === 'prefix' ? `${entry.prefix} *` : entry.key);
      }
      expect(found).toEqual(expected);
    }
  });
}

/** A listing that leads back to where it was fails, where it would go on for ever. */
async function shown(listing: AsyncIterable<ListedObject | ListedVersion | CommonPrefix>): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of listing) {
    found.push(entry.kind === 'prefix' ? `${entry.prefix} *` : entry.key);
    if (found.length > 2 * AWKWARD.length) throw new Error(`the listing does not end: ${found.slice(0, 5).join(', ')}`);
  }
  return found;
}

interface PlainRequest {
  prefix: string;
  delimiter: string;
  after: string | undefined;
}

/** The listing as S3 describes it, by reading everything. */
export function plainListing(keys: readonly string[], { prefix, delimiter, after }: PlainRequest): string[] {
  const entries = [...keys].sort(compareKeys).flatMap(key => {
    if (!key.startsWith(prefix) || (after !== undefined && compareKeys(key, after) <= 0)) return [];
    const index = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (index === -1) return [key];
    const group = key.slice(0, index + delimiter.length);
    return group === after ? [] : [`${group} *`];
  });
  return [...new Set(entries)];
}
