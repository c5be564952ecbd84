import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { request, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import {
  ERROR_CODES,
  listedObjectShape,
  listedVersionShape,
  objectPageShape,
  problemShape,
  statsShape,
  versionPageShape,
  type ShardPlace,
} from '#contracts';
import { newCommitId, type BlobId } from '#metadata';
import { openSqliteFile } from '../../../../libs/metadata/src/sqlite/sqlite-driver.js';
import { serveVersions, type Send, type ServedVersions } from './testing/serve-versions.js';

const NDJSON = { Accept: 'application/x-ndjson' };

const names = (page: { objects: { name: string }[] }) => page.objects.map(({ name }) => name);

function lines(text: string): Record<string, unknown>[] {
  const rows = text.split('\n').filter(line => line !== '');
  return rows.map(line => JSON.parse(line) as Record<string, unknown>);
}

/** What it is once it has not changed at 50 looks in a row, the time between which no pause of this process makes shorter. */
async function standstill(look: () => number | undefined): Promise<number> {
  let [seen, row] = [look() ?? 0, 0];
  while (row < 50) {
    await new Promise(resolve => setTimeout(resolve, 20));
    const now = look() ?? 0;
    row = now === seen ? row + 1 : 0;
    seen = now;
  }
  return seen;
}

/** Listings, statistics and locate over real HTTP, on SQLite and blobs in memory. */
describe('listings over HTTP', () => {
  let served: ServedVersions;
  let send: Send;

  beforeAll(async () => {
    served = await serveVersions();
    ({ send } = served);
    for (const name of ['a', 'b/1', 'b/2', 'b/c/3', 'd', 'ю', '🙂 +']) await put(name, name);
    await put('d', 'again');
    await put('gone', 'gone');
    await send('DELETE', '/objects/gone');
  });
  beforeEach(() => served.metadata.restore());
  afterAll(() => served.close());

  const put = async (name: string, body: string) => {
    expect((await send('PUT', `/objects/${encodeURIComponent(name)}`, {}, body)).status).toBe(200);
  };
  const objects = async (query = '') => objectPageShape.parse(JSON.parse((await send('GET', `/objects${query}`)).text));
  const versions = async (path = '') =>
    versionPageShape.parse(JSON.parse((await send('GET', `/versions${path}`)).text));

  it('lists current objects in the order of their bytes', async () => {
    const page = await objects();
    expect(names(page)).toEqual(['a', 'b/1', 'b/2', 'b/c/3', 'd', 'ю', '🙂 +']);
    expect(page.cursor).toBeUndefined();
    const [first] = page.objects;
    const { headers } = await send('HEAD', '/objects/a');
    expect([`"${first?.etag}"`, first?.version, first?.size]).toEqual([headers.etag, headers['granary-version'], 1]);
  });

  it.each([
    ['?prefix=b/', ['b/1', 'b/2', 'b/c/3'], []],
    ['?delimiter=/', ['a', 'd', 'ю', '🙂 +'], ['b/']],
    ['?prefix=b%2F&delimiter=/', ['b/1', 'b/2'], ['b/c/']],
    ['?after=b/2', ['b/c/3', 'd', 'ю', '🙂 +'], []],
    ['?prefix=b/&after=b/1&limit=1', ['b/2'], []],
    ['?prefix=🙂+%2B', ['🙂 +'], []],
    ['?prefix=&delimiter=&after=&limit=&cursor=', ['a', 'b/1', 'b/2', 'b/c/3', 'd', 'ю', '🙂 +'], []],
    ['?prefix=nothing', [], []],
  ])('%s', async (query, expected, prefixes) => {
    const page = await objects(encodeURI(query).replaceAll('%25', '%'));
    expect([names(page), page.prefixes]).toEqual([expected, prefixes]);
  });

  it('goes on at the cursor until the end', async () => {
    const seen: string[] = [];
    let page = await objects('?limit=2&delimiter=/');
    for (let pages = 1; ; pages += 1) {
      expect(page.objects.length + page.prefixes.length).toBeLessThanOrEqual(2);
      seen.push(...names(page), ...page.prefixes);
      if (page.cursor === undefined) break;
      expect(pages).toBeLessThan(10);
      page = await objects(`?limit=2&delimiter=/&cursor=${page.cursor}`);
    }
    expect(seen.sort()).toEqual(['a', 'b/', 'd', 'ю', '🙂 +'].sort());
  });

  it('lists all versions, and those of one name', async () => {
    const all = await versions();
    expect(all.versions.map(({ name, current, deleteMarker }) => [name, current, deleteMarker])).toEqual([
      ['a', true, false],
      ['b/1', true, false],
      ['b/2', true, false],
      ['b/c/3', true, false],
      ['d', true, false],
      ['d', false, false],
      ['gone', true, true],
      ['gone', false, false],
      ['ю', true, false],
      ['🙂 +', true, false],
    ]);
    const newest = await versions('/d?limit=1');
    expect(newest.versions.map(({ size }) => size)).toEqual([5]);
    const rest = await versions(`/d?cursor=${newest.cursor}`);
    expect(rest.versions.map(({ size }) => size)).toEqual([1]);
    expect((await versions('/b/c/3')).versions).toHaveLength(1);
    expect((await versions('?prefix=b/&delimiter=/&after=b/1')).prefixes).toEqual(['b/c/']);
  });

  it('sends lines when they are asked for', async () => {
    const answer = await send('GET', '/objects?delimiter=/', NDJSON);
    expect(answer.headers).toMatchObject({ 'content-type': 'application/x-ndjson', vary: 'Accept' });
    const [first, second, ...rest] = lines(answer.text);
    expect(listedObjectShape.parse(first).name).toBe('a');
    expect(second).toEqual({ prefix: 'b/' });
    expect(rest).toHaveLength(3);
    expect(lines((await send('GET', '/objects?limit=3', NDJSON)).text)).toHaveLength(3);
    expect((await send('GET', '/objects?prefix=nothing', NDJSON)).text).toBe('');
    const ofOne = lines((await send('GET', '/versions/d', { Accept: 'text/html, application/x-ndjson;q=0.5' })).text);
    expect(ofOne.map(line => listedVersionShape.parse(line).current)).toEqual([true, false]);
    const page = await send('GET', '/objects', { Accept: 'application/x-ndjson;q=0, application/json' });
    expect(page.headers['content-type']).toBe('application/json');
  });

  it('answers HEAD without a body', async () => {
    for (const headers of [{}, NDJSON]) {
      const head = await send('HEAD', '/objects', headers);
      expect([head.status, head.text]).toEqual([200, '']);
    }
  });

  it.each([
    ['/objects?limit=0', 'query-invalid'],
    ['/objects?limit=1001', 'query-invalid'],
    ['/objects?limit=-1', 'query-invalid'],
    ['/objects?limit=1e2', 'query-invalid'],
    ['/objects?limit=1&limit=2', 'query-invalid'],
    ['/objects?perfix=a', 'query-invalid'],
    ['/objects?prefix=%FF', 'query-invalid'],
    ['/objects?prefix=%00', 'query-invalid'],
    [`/objects?prefix=${'p'.repeat(1025)}`, 'query-invalid'],
    ['/objects?cursor=nonsense', 'cursor-invalid'],
    [`/objects?cursor=${'A'.repeat(10_000)}`, 'cursor-invalid'],
    ['/versions?cursor=WyJvIiwiYSJd', 'cursor-invalid'],
    ['/versions/d?prefix=a', 'query-invalid'],
    ['/versions/d?limit=x', 'query-invalid'],
    ['/versions/', 'name-invalid'],
    ['/versions/%FF', 'name-invalid'],
    ['/versions/never', 'object-not-found'],
    ['/locate/never', 'object-not-found'],
    ['/locate/gone', 'object-not-found'],
    ['/locate/d?version=nonsense', 'version-not-found'],
  ] as const)('refuses malformed request %#', async (path, code) => {
    for (const headers of [{}, NDJSON]) {
      if (path === '/objects?limit=1001' && 'Accept' in headers) continue;
      const answer = await send('GET', path, headers);
      expect([answer.status, answer.code]).toEqual([ERROR_CODES[code].status, code]);
    }
  });

  it('answers any query with a page or a documented refusal', async () => {
    const name = fc.constantFrom('prefix', 'delimiter', 'after', 'cursor', 'limit', 'version', 'all', 'x');
    const value = fc.oneof(
      fc.string({ unit: 'binary' }).map(text => encodeURIComponent(text.toWellFormed())),
      fc.webQueryParameters().map(text => text.slice(0, 100)),
      fc.nat().map(String),
      fc.constantFrom('%', '%zz', '/', 'b/'),
    );
    const path = fc.constantFrom('/objects', '/versions', '/versions/d', '/objects/d', '/locate/d', '/stats');
    await fc.assert(
      fc.asyncProperty(path, fc.array(fc.tuple(name, value), { maxLength: 4 }), async (path, parameters) => {
        const query = parameters.map(([name, value]) => `${name}=${value}`).join('&');
        const answer = await send('GET', `${path}?${query}`);
        if (answer.status === 200) return;
        const problem = problemShape.parse(JSON.parse(answer.text));
        expect(problem.status).toBe(answer.status);
        expect(answer.status).toBeLessThan(500);
      }),
      { numRuns: 300 },
    );
  });

  it('says 503 and never 404 while the database does not answer', async () => {
    served.metadata.breakDown();
    const blobsBefore = served.blobs.size;
    for (const path of [
      '/objects/a',
      '/objects/never',
      '/objects',
      '/versions',
      '/versions/a',
      '/stats',
      '/locate/a',
    ]) {
      for (const headers of [{}, NDJSON]) {
        const answer = await send('GET', path, headers);
        expect([path, answer.status, answer.code]).toEqual([path, 503, 'metadata-unavailable']);
      }
    }
    for (const body of ['small', Buffer.alloc(200_000)]) {
      expect((await send('PUT', '/objects/a', {}, body)).code).toBe('metadata-unavailable');
    }
    expect((await send('DELETE', '/objects/a')).code).toBe('metadata-unavailable');
    served.metadata.restore();
    expect((await send('GET', '/objects/a')).text).toBe('a');
    expect(served.blobs.size - blobsBefore).toBeLessThanOrEqual(2);
  });

  it('says what is stored, and what de-duplication saves and redundancy costs', async () => {
    const before = statsShape.parse(JSON.parse((await send('GET', '/stats')).text));
    const body = 's'.repeat(1000);
    for (const name of ['s1', 's2', 's3']) await put(name, body);
    const { buckets, total } = statsShape.parse(JSON.parse((await send('GET', '/stats')).text));
    const [objects] = buckets;
    expect(objects?.bucket).toBe('objects');
    // The bucket asks for 4+2.
    expect({
      objects: total.objects - before.total.objects,
      logical: total.logicalBytes - before.total.logicalBytes,
      blobs: total.blobs - before.total.blobs,
      saved: total.deduplicationSavedBytes - before.total.deduplicationSavedBytes,
      cost: total.redundancyCostBytes - before.total.redundancyCostBytes,
    }).toEqual({ objects: 3, logical: 3000, blobs: 1, saved: 2000, cost: 500 });
  });

  it('counts what was deleted apart, not as a loss of de-duplication', async () => {
    const before = statsShape.parse(JSON.parse((await send('GET', '/stats')).text)).total;
    const gain = async () => {
      const { total } = statsShape.parse(JSON.parse((await send('GET', '/stats')).text));
      return {
        saved: total.deduplicationSavedBytes - before.deduplicationSavedBytes,
        unreferenced: total.unreferencedBytes - before.unreferencedBytes,
      };
    };
    const body = 't'.repeat(1000);
    const store = async (name: string) => (await send('PUT', `/objects/${name}`, {}, body)).headers['granary-version'];
    const [first, second] = [await store('t1'), await store('t2')];
    expect(await gain()).toEqual({ saved: 1000, unreferenced: 0 });
    await send('DELETE', `/objects/t1?version=${String(first)}`);
    expect(await gain()).toEqual({ saved: 0, unreferenced: 0 });
    await send('DELETE', `/objects/t2?version=${String(second)}`);
    expect(await gain()).toEqual({ saved: 0, unreferenced: 1000 });
    await store('t3');
    expect(await gain()).toEqual({ saved: 0, unreferenced: 0 });
  });

  it('locates a server that lives, and every shard', async () => {
    const [address, shards] = [await send('GET', '/locate/a'), await send('GET', '/locate/a?all')];
    expect([address.text, address.headers['content-type']]).toEqual(['"memory-1:1"', 'application/json']);
    expect(JSON.parse(shards.text)).toEqual(
      [1, 2, 3, 4, 5, 6].map((server, shard) => ({
        blob: expect.stringMatching(/^[0-9a-f]{32}$/),
        segment: 0,
        shard,
        server: `memory-${server}`,
        address: `memory-${server}:1`,
      })),
    );
    expect(lines((await send('GET', '/locate/a?all', NDJSON)).text)).toEqual(JSON.parse(shards.text));
    served.dead.add('memory-1');
    expect((await send('GET', '/locate/a')).text).toBe('"memory-2:1"');
    expect(JSON.parse((await send('GET', '/locate/a?all=')).text)[0]).not.toHaveProperty('address');
    for (const server of served.blobs.servers) served.dead.add(server);
    expect((await send('GET', '/locate/a')).code).toBe('data-server-unavailable');
    served.dead.clear();
  });

  it('tells an object whose shards are all lost from one that has none', async () => {
    await put('lost', 'of which every shard will be lost');
    const shards = JSON.parse((await send('GET', '/locate/lost?all')).text) as ShardPlace[];
    await served.metadata.store.placeShards({
      commitId: newCommitId(),
      shards: shards.map(({ blob, segment, shard }) => ({
        blobId: blob as BlobId,
        segment,
        shard,
        server: undefined,
      })),
    });
    const lost = await send('GET', '/locate/lost');
    expect([lost.status, lost.code]).toEqual([500, 'object-damaged']);
    await put('empty', '');
    const empty = await send('GET', '/locate/empty');
    expect([empty.status, empty.code, (await send('GET', '/objects/empty')).status]).toEqual([
      404,
      'object-not-found',
      200,
    ]);
    expect((await send('GET', '/locate/empty?all')).text).toBe('[]');
  });
});

describe('a listing of 100 000 names', () => {
  const NAMES = 100_000;
  let served: ServedVersions;

  beforeAll(async () => {
    served = await serveVersions();
    await served.send('PUT', '/objects/name-000000', {}, 'x');
    // By commits it would take a minute.
    const database = openSqliteFile(served.databasePath);
    database.exec(`
      insert into versions (bucket_id, key, null_version, delete_marker, blob_number, size, etag, created_ms)
        with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ${NAMES - 1})
        select bucket_id, printf('name-%06d', n), 0, 0, blob_number, size, etag, created_ms from versions, numbers;
      insert into objects (bucket_id, key, seq, null_version, size, etag, created_ms)
        select bucket_id, key, seq, 0, size, etag, created_ms from versions where key > 'name-000000';
    `);
    database.close();
  });
  afterAll(() => served.close());

  const open = (path: string): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const options = { port: served.port, host: '127.0.0.1', path, headers: NDJSON, agent: false };
      request(options, resolve).on('error', reject).end();
    });

  it('comes whole, and no faster than it is read', async () => {
    const { calls } = served.metadata;
    const response = await open('/objects');
    // What sockets hold, about 10 MB of the 17 MB at most, and no page more.
    expect(await standstill(() => calls.get('listObjects'))).toBeLessThan(NAMES / 1000);

    let index = 0;
    for await (const line of createInterface({ input: response })) {
      if ((JSON.parse(line) as { name: string }).name !== `name-${String(index).padStart(6, '0')}`) break;
      index += 1;
    }
    expect(index).toBe(NAMES);
  });

  it('is broken off, and not ended, when the database fails in the middle', async () => {
    const response = await open('/versions');
    await standstill(() => served.metadata.calls.get('listVersions'));
    served.metadata.breakDown();
    const read = async () => {
      let bytes = 0;
      for await (const chunk of response) bytes += (chunk as Buffer).length;
      return bytes;
    };
    await expect(read()).rejects.toMatchObject({ code: 'ECONNRESET' });
    served.metadata.restore();
  });

  it('ends when the client leaves', async () => {
    const { calls } = served.metadata;
    const before = calls.get('listObjects') ?? 0;
    (await open('/objects')).destroy();
    expect((await standstill(() => calls.get('listObjects'))) - before).toBeLessThan(NAMES / 1000);
  });
});
