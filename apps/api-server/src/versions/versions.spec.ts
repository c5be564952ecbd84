import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { versionPageShape } from '#contracts';
import { serveVersions, until, type Send, type ServedVersions } from './testing/serve-versions.js';

const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest();
const contentDigest = (bytes: string | Buffer) => `sha-256=:${sha256(bytes).toString('base64')}:`;

/** Objects and their versions over real HTTP, on SQLite and blobs in memory. */
describe('versions over HTTP', () => {
  let served: ServedVersions;
  let send: Send;
  let count = 0;
  const fresh = () => `name-${(count += 1)}`;

  beforeAll(async () => {
    served = await serveVersions();
    ({ send } = served);
  });
  afterAll(() => served.close());

  const put = async (name: string, body: string | Buffer, headers: Record<string, string> = {}) => {
    const answer = await send('PUT', `/objects/${name}`, headers, body);
    expect([answer.status, answer.text]).toEqual([200, '']);
    return answer.headers['granary-version'] as string;
  };
  const told = async (name: string) => (await send('GET', `/objects/${name}`)).headers['repr-digest'];
  const versionsOf = async (name: string) =>
    versionPageShape.parse(JSON.parse((await send('GET', `/versions/${name}`)).text)).versions;

  it('keeps every version, the newest first', async () => {
    const name = fresh();
    const ids = [await put(name, 'one'), await put(name, 'two'), await put(name, 'three')];
    expect(new Set(ids).size).toBe(3);
    const current = await send('GET', `/objects/${name}`);
    expect([current.text, current.headers['granary-version']]).toEqual(['three', ids[2]]);
    for (const [index, body] of ['one', 'two', 'three'].entries()) {
      const read = await send('GET', `/objects/${name}?version=${ids[index]}`);
      expect([read.status, read.text, read.headers['granary-version']]).toEqual([200, body, ids[index]]);
    }
    const listed = await versionsOf(name);
    expect(listed.map(({ version, current, size }) => [version, current, size])).toEqual([
      [ids[2], true, 5],
      [ids[1], false, 3],
      [ids[0], false, 3],
    ]);
    expect(`"${listed[0]?.etag}"`).toBe(current.headers.etag);
  });

  it('a DELETE leaves a marker; the object comes back when that is removed', async () => {
    const name = fresh();
    const id = await put(name, 'kept');
    const deleted = await send('DELETE', `/objects/${name}`);
    const marker = deleted.headers['granary-version'] as string;
    expect([deleted.status, deleted.headers['granary-delete-marker']]).toEqual([204, 'true']);

    for (const method of ['GET', 'HEAD']) {
      const gone = await send(method, `/objects/${name}`);
      expect([gone.status, gone.headers['granary-delete-marker'], gone.headers['granary-version']]).toEqual([
        404,
        'true',
        marker,
      ]);
      const ofMarker = await send(method, `/objects/${name}?version=${marker}`);
      expect([ofMarker.status, ofMarker.headers.allow]).toEqual([405, 'DELETE']);
    }
    expect((await send('GET', `/objects/${name}?version=${marker}`)).code).toBe('version-is-delete-marker');
    expect((await send('GET', `/objects/${name}?version=${id}`)).text).toBe('kept');
    expect((await versionsOf(name)).map(({ version, deleteMarker, size }) => [version, deleteMarker, size])).toEqual([
      [marker, true, undefined],
      [id, false, 4],
    ]);
    expect((await send('DELETE', `/objects/${name}`)).code).toBe('object-not-found');

    const removed = await send('DELETE', `/objects/${name}?version=${marker}`);
    expect([removed.status, removed.headers['granary-version'], removed.headers['granary-delete-marker']]).toEqual([
      204,
      marker,
      'true',
    ]);
    expect((await send('GET', `/objects/${name}`)).text).toBe('kept');
  });

  it('a version that is removed is gone for good, and the one before is current', async () => {
    const name = fresh();
    const [first, second] = [await put(name, 'first'), await put(name, 'second')];
    const removed = await send('DELETE', `/objects/${name}?version=${second}`);
    expect([removed.status, removed.headers['granary-version'], removed.headers['granary-delete-marker']]).toEqual([
      204,
      second,
      undefined,
    ]);
    expect((await send('GET', `/objects/${name}?version=${second}`)).code).toBe('version-not-found');
    expect((await send('DELETE', `/objects/${name}?version=${second}`)).code).toBe('version-not-found');
    expect((await send('GET', `/objects/${name}`)).text).toBe('first');
    await send('DELETE', `/objects/${name}?version=${first}`);
    expect((await send('GET', `/objects/${name}`)).code).toBe('object-not-found');
    expect((await send('GET', `/versions/${name}`)).code).toBe('object-not-found');
  });

  it.each(['nonsense', '0', 'null', '-1', '99999999999', 'zzzzzzzzzzz', '%F0%9F%99%82', 'a'.repeat(3000)])(
    'refuses the version %s',
    async version => {
      const name = fresh();
      await put(name, 'x');
      for (const method of ['GET', 'DELETE']) {
        expect((await send(method, `/objects/${name}?version=${version}`)).code).toBe('version-not-found');
      }
      expect((await send('HEAD', `/objects/${name}?version=${version}`)).status).toBe(404);
      expect((await send('GET', `/objects/${name}`)).text).toBe('x');
    },
  );

  it('refuses a query that names no version, or a PUT that names one', async () => {
    const name = fresh();
    const id = await put(name, 'x');
    for (const query of ['version=', 'version', 'version=%', `version=${id}&version=${id}`]) {
      expect((await send('GET', `/objects/${name}?${query}`)).code).toBe('query-invalid');
      expect((await send('DELETE', `/objects/${name}?${query}`)).code).toBe('query-invalid');
    }
    expect((await send('PUT', `/objects/${name}?version=${id}`, {}, 'y')).code).toBe('query-invalid');
    expect((await send('GET', `/objects/${name}`)).text).toBe('x');
  });

  it('answers HEAD, ranges and conditions of one version', async () => {
    const name = fresh();
    const id = await put(name, '0123456789');
    const { headers } = await send('GET', `/objects/${name}`);
    await put(name, 'other');
    const path = `/objects/${name}?version=${id}`;
    const head = await send('HEAD', path);
    expect(head.headers).toMatchObject({ 'content-length': '10', etag: headers.etag, 'granary-version': id });
    const range = await send('GET', path, { Range: 'bytes=2-4' });
    expect([range.status, range.text, range.headers['content-range']]).toEqual([206, '234', 'bytes 2-4/10']);
    expect((await send('GET', path, { Range: 'bytes=10-' })).code).toBe('range-not-satisfiable');
    expect((await send('GET', path, { 'If-None-Match': headers.etag ?? '' })).status).toBe(304);
    expect((await send('GET', path, { 'If-Match': '"other"' })).code).toBe('precondition-failed');
    expect((await send('DELETE', path, { 'If-Match': '"other"' })).code).toBe('precondition-failed');
    expect((await send('DELETE', path, { 'If-Match': headers.etag ?? '' })).status).toBe(204);
  });

  it('decides conditional writes, and stores nothing that is refused', async () => {
    const name = fresh();
    const blobsBefore = served.blobs.size;
    const etag = async () => (await send('HEAD', `/objects/${name}`)).headers.etag ?? '';
    expect((await send('PUT', `/objects/${name}`, { 'If-Match': '*' }, `${name} a`)).code).toBe('precondition-failed');
    await put(name, `${name} a`, { 'If-None-Match': '*' });
    const first = await etag();
    expect((await send('PUT', `/objects/${name}`, { 'If-None-Match': '*' }, `${name} b`)).status).toBe(412);
    await put(name, `${name} c`, { 'If-Match': first });
    expect((await send('PUT', `/objects/${name}`, { 'If-Match': first }, Buffer.alloc(300_000, name))).status).toBe(
      412,
    );
    expect((await send('DELETE', `/objects/${name}`, { 'If-Match': first })).status).toBe(412);
    expect((await send('DELETE', `/objects/${name}`, { 'If-Match': await etag() })).status).toBe(204);
    await put(name, `${name} c`, { 'If-None-Match': '*' });
    expect(served.blobs.size - blobsBefore).toBe(2);
    expect(served.blobs.openWriters).toBe(0);
  });

  it('of 32 who create one name, one succeeds', async () => {
    const name = fresh();
    const created = await Promise.all(
      Array.from({ length: 32 }, (_, index) =>
        send('PUT', `/objects/${name}`, { 'If-None-Match': '*' }, `${name} ${index}`),
      ),
    );
    const statuses = created.map(({ status }) => status);
    expect(statuses.filter(status => status === 200)).toHaveLength(1);
    expect(statuses.filter(status => status === 412)).toHaveLength(31);
    expect((await send('GET', `/objects/${name}`)).text).toBe(`${name} ${statuses.indexOf(200)}`);
  });

  it('gives back what was said of an object, with each version its own', async () => {
    const name = fresh();
    const said = {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'max-age=60',
      'content-encoding': 'gzip',
      'content-disposition': 'attachment; filename="a b.txt"',
      'content-language': 'de, en-GB',
      expires: 'Sat, 21 Nov 2026 12:00:00 GMT',
      'x-meta-colour': 'gr\xfcn',
      'x-meta-empty': '',
    };
    const id = await put(name, Buffer.from('x'), said);
    await put(name, 'y');
    for (const method of ['GET', 'HEAD']) {
      expect((await send(method, `/objects/${name}?version=${id}`)).headers).toMatchObject(said);
    }
    const { headers } = await send('GET', `/objects/${name}`);
    expect(Object.keys(headers).filter(header => header.startsWith('x-meta-') || header === 'expires')).toEqual([]);
  });

  it.each([
    ['X-Meta-Big', 'v'.repeat(2048), 'user-metadata-too-large'],
    ['X-Meta-', 'v', 'header-invalid'],
    ['Expires', 'tomorrow', 'header-invalid'],
    ['Content-Language', 'what language is this?', 'header-invalid'],
    ['Content-Disposition', 'attachment filename', 'header-invalid'],
    ['Content-Disposition', `attachment; filename=${'x'.repeat(1024)}`, 'header-invalid'],
  ])('refuses %s: %.20s…', async (header, value, code) => {
    expect((await send('PUT', `/objects/${fresh()}`, { [header]: value }, 'x')).code).toBe(code);
  });

  it('never lets a stored disposition show what a browser would run', async () => {
    const name = fresh();
    await put(name, '<script>', { 'Content-Type': 'text/html', 'Content-Disposition': 'inline; filename="x.html"' });
    const { headers } = await send('GET', `/objects/${name}`);
    expect(headers).toMatchObject({
      'content-disposition': 'attachment; filename="x.html"',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
    });
  });

  describe('digests', () => {
    it('that came with the content are given back with each of its versions, beside what was declared with that', async () => {
      const [first, md5Only, another, none] = [fresh(), fresh(), fresh(), fresh()];
      const body = Buffer.from(`several writers of ${first}`);
      const digest = (algorithm: string) => createHash(algorithm).update(body).digest();
      const sha512 = `sha-512=:${digest('sha512').toString('base64')}:`;
      await put(first, body, { 'Content-Digest': contentDigest(body) });
      await put(md5Only, body, { 'Content-MD5': digest('md5').toString('base64') });
      await put(another, body, { 'Content-Digest': sha512 });
      await put(none, body);
      expect(await Promise.all([first, md5Only, another, none].map(told))).toEqual([
        contentDigest(body),
        contentDigest(body),
        `${contentDigest(body)}, ${sha512}`,
        contentDigest(body),
      ]);
      const recorded = (await versionsOf(md5Only)).map(({ digests }) => digests);
      expect(recorded).toEqual([{ md5: digest('md5').toString('hex') }]);
    });

    it('of MD5 alone are not given back, since it proves nothing', async () => {
      const name = fresh();
      await put(name, `only ${name}`, { 'Content-MD5': createHash('md5').update(`only ${name}`).digest('base64') });
      expect(await told(name)).toBeUndefined();
    });

    for (const size of [10, 200_000]) {
      it(`of ${size} bytes are verified, recorded with the version and given back`, async () => {
        const name = fresh();
        const body = Buffer.alloc(size, name);
        const right = [
          { 'Content-Digest': contentDigest(body) },
          { Digest: `SHA-256=${sha256(body).toString('base64')}` },
          { 'X-Content-SHA256': sha256(body).toString('hex') },
        ];
        for (const headers of right) {
          await put(name, body, headers);
          expect(await told(name)).toBe(contentDigest(body));
        }
        const recorded = { 'sha-256': sha256(body).toString('hex') };
        expect((await versionsOf(name)).map(({ digests }) => digests)).toEqual([recorded, recorded, recorded]);

        const refused = fresh();
        const blobsBefore = served.blobs.size;
        const wrong = [
          [{ 'Content-Digest': contentDigest('other') }, 'digest-mismatch'],
          [{ 'X-Content-SHA256': sha256('other').toString('hex') }, 'digest-mismatch'],
          [{ 'Content-MD5': createHash('md5').update('other').digest('base64') }, 'digest-mismatch'],
          [{ 'Content-Digest': 'sha-256=abc' }, 'digest-malformed'],
          [{ Digest: 'sha-256' }, 'digest-malformed'],
          [{ 'X-Content-SHA256': 'abc' }, 'digest-malformed'],
        ] as const;
        for (const [headers, code] of wrong) {
          const other = Buffer.alloc(size, refused);
          expect((await send('PUT', `/objects/${refused}`, headers, other)).code).toBe(code);
        }
        expect((await send('GET', `/versions/${refused}`)).code).toBe('object-not-found');
        expect([served.blobs.size, served.blobs.openWriters]).toEqual([blobsBefore, 0]);
      });
    }
  });

  it('an upload that breaks off leaves nothing', async () => {
    const name = fresh();
    const blobsBefore = served.blobs.size;
    const socket = connect(served.port, '127.0.0.1');
    socket.write(`PUT /objects/${name} HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n`);
    socket.write(Buffer.alloc(200_000));
    await until(() => served.blobs.openWriters === 1);
    socket.destroy();
    await until(() => served.blobs.openWriters === 0);
    expect((await send('GET', `/objects/${name}`)).code).toBe('object-not-found');
    expect(served.blobs.size).toBe(blobsBefore);
  });
});
