import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import supertest from 'supertest';
import { get, problemCode, put, rawRequest, request, type RawAnswer } from '../harness/http.js';
import { it } from '../harness/it.js';

/** Something that serves /objects: a single node, an API server of a cluster, standalone. */
export interface Store {
  url: string;
  stop(): Promise<void>;
}

/** What every way of running promises about objects over HTTP, defined once and run against each. `MAX_OBJECT_SIZE_BYTES` must be MAX_BYTES there. */
export const MAX_BYTES = 64 * 1024 * 1024;

export function describeObjectApi(title: string, start: () => Promise<Store>): void {
  describe(`objects over HTTP: ${title}`, () => {
    let store: Store;
    let serial = 0;
    const fresh = () => `/objects/${title.replaceAll(' ', '-')}-${serial++}`;
    const at = (path: string) => `${store.url}${path}`;

    beforeAll(async () => {
      store = await start();
    });
    afterAll(() => store.stop());

    describe('PUT and GET', () => {
      it('keeps bytes, type and caching, and says what it keeps', async () => {
        const path = fresh();
        const stored = await supertest(store.url)
          .put(path)
          .set('Content-Type', 'text/markdown; charset=utf-8')
          .set('Cache-Control', 'max-age=60')
          .send('# héllo');
        expect([stored.status, stored.text]).toEqual([200, '']);
        expect(stored.headers['etag']).toMatch(/^"[0-9a-f]{64}"$/);

        const read = await supertest(store.url).get(path);
        expect([read.status, read.text]).toEqual([200, '# héllo']);
        expect(read.headers).toMatchObject({
          'content-type': 'text/markdown; charset=utf-8',
          'cache-control': 'max-age=60',
          'content-length': '8',
          'accept-ranges': 'bytes',
          etag: stored.headers['etag'],
        });
        expect(Math.abs(Date.parse(read.headers['last-modified'] ?? '') - Date.now())).toBeLessThan(60_000);

        const head = await supertest(store.url).head(path);
        expect(head.status).toBe(200);
        for (const name of [
          'content-type',
          'cache-control',
          'content-length',
          'accept-ranges',
          'etag',
          'last-modified',
        ]) {
          expect([name, head.headers[name]]).toEqual([name, read.headers[name]]);
        }
      });

      it('keeps Content-Encoding, and the bytes as they came', async () => {
        const path = fresh();
        const bytes = gzipSync('# héllo');
        await put(at(path), bytes, { 'Content-Encoding': 'gzip' });
        const read = await get(at(path));
        expect([read.headers['content-encoding'], read.body.equals(bytes)]).toEqual(['gzip', true]);
        const plain = fresh();
        await put(at(plain), bytes);
        expect((await get(at(plain))).headers['content-encoding']).toBeUndefined();
      });

      for (const size of [0, 1, 65_535, 65_536, 65_537, 1_048_577, 20_000_000]) {
        it(`round trips ${size} bytes, with a length and chunked`, async () => {
          const bytes = randomBytes(size);
          const [fixed, chunked] = [fresh(), fresh()];
          const first = await put(at(fixed), bytes);
          const second = await put(at(chunked), Readable.from(slices(bytes, 100_000)));
          expect([first.status, second.status]).toEqual([200, 200]);
          expect(second.headers.etag).toBe(first.headers.etag);
          for (const path of [fixed, chunked]) {
            const read = await get(at(path));
            expect([read.status, read.headers['content-length']]).toEqual([200, String(size)]);
            expect(read.body.equals(bytes)).toBe(true);
          }
        });
      }

      it('overwrites as a whole, and the entity tag follows the bytes', async () => {
        const path = fresh();
        const first = await put(at(path), 'one');
        const second = await put(at(path), 'two two');
        const third = await put(at(path), 'one');
        expect(second.headers.etag).not.toBe(first.headers.etag);
        expect(third.headers.etag).toBe(first.headers.etag);
        expect((await get(at(path))).body.toString()).toBe('one');
      });

      it('gives an object without a type the type of plain bytes', async () => {
        const path = fresh();
        await put(at(path), '<b>');
        expect((await get(at(path))).headers['content-type']).toBe('application/octet-stream');
      });
    });

    describe('DELETE', () => {
      it('answers 204, then 404, and the object is gone', async () => {
        const path = fresh();
        await put(at(path), 'x');
        await supertest(store.url).delete(path).expect(204);
        await supertest(store.url).get(path).expect(404);
        const again = await request(at(path), { method: 'DELETE' });
        expect([again.status, problemCode(again)]).toEqual([404, 'object-not-found']);
      });

      it('lets the name be used again', async () => {
        const path = fresh();
        await put(at(path), 'x');
        await request(at(path), { method: 'DELETE' });
        expect((await put(at(path), 'y')).status).toBe(200);
        expect((await get(at(path))).body.toString()).toBe('y');
      });
    });

    describe('conditions', () => {
      it('If-None-Match: * stores only what is not there', async () => {
        const path = fresh();
        expect((await put(at(path), 'first', { 'If-None-Match': '*' })).status).toBe(200);
        const second = await put(at(path), 'second', { 'If-None-Match': '*' });
        expect([second.status, problemCode(second)]).toEqual([412, 'precondition-failed']);
        expect((await get(at(path))).body.toString()).toBe('first');
      });

      it('If-Match stores only over what the client knows', async () => {
        const path = fresh();
        expect((await put(at(path), 'x', { 'If-Match': '*' })).status).toBe(412);
        const { etag = '' } = (await put(at(path), 'first')).headers;
        expect((await put(at(path), 'wrong', { 'If-Match': `"${'0'.repeat(64)}"` })).status).toBe(412);
        expect((await put(at(path), 'weak', { 'If-Match': `W/${etag}` })).status).toBe(412);
        expect((await put(at(path), 'second', { 'If-Match': `"other", ${etag}` })).status).toBe(200);
        expect((await put(at(path), 'third', { 'If-Match': '*' })).status).toBe(200);
        expect((await get(at(path))).body.toString()).toBe('third');
      });

      it('a conditional DELETE spares what changed', async () => {
        const path = fresh();
        const { etag = '' } = (await put(at(path), 'x')).headers;
        expect((await request(at(path), { method: 'DELETE', headers: { 'If-Match': '"other"' } })).status).toBe(412);
        expect((await request(at(path), { method: 'DELETE', headers: { 'If-Match': etag } })).status).toBe(204);
      });

      it('If-None-Match and If-Modified-Since make a 304 without a body', async () => {
        const path = fresh();
        const { etag = '' } = (await put(at(path), 'x')).headers;
        const { 'last-modified': modified = '' } = (await get(at(path))).headers;
        for (const headers of [
          { 'If-None-Match': etag },
          { 'If-None-Match': `"other", W/${etag}` },
          { 'If-None-Match': '*' },
          { 'If-Modified-Since': modified },
        ]) {
          const read = await get(at(path), headers);
          expect([headers, read.status, read.body.length, read.headers.etag]).toEqual([headers, 304, 0, etag]);
        }
        expect((await get(at(path), { 'If-None-Match': '"other"', 'If-Modified-Since': modified })).status).toBe(200);
        expect((await get(at(path), { 'If-Modified-Since': new Date(0).toUTCString() })).status).toBe(200);
        expect((await get(at(path), { 'If-Modified-Since': 'yesterday' })).status).toBe(200);
        expect((await get(at(path), { 'If-Match': '"other"' })).status).toBe(412);
      });
    });

    describe('ranges', () => {
      const bytes = randomBytes(300_000);
      let path: string;
      let etag: string;
      beforeAll(async () => {
        path = fresh();
        etag = (await put(at(path), bytes)).headers.etag ?? '';
      });

      const single: [string, number, number][] = [
        ['bytes=0-0', 0, 0],
        ['bytes=5-131071', 5, 131_071],
        ['bytes=65535-65536', 65_535, 65_536],
        ['bytes=299990-', 299_990, 299_999],
        ['bytes=299990-400000', 299_990, 299_999],
        ['bytes=-7', 299_993, 299_999],
        ['bytes=-400000', 0, 299_999],
        ['BYTES=1-2', 1, 2],
        ['bytes= 1-2 ', 1, 2],
      ];
      for (const [range, first, last] of single) {
        it(`${range} is ${first} to ${last}`, async () => {
          const read = await get(at(path), { Range: range });
          expect(read.status).toBe(206);
          expect(read.headers['content-range']).toBe(`bytes ${first}-${last}/300000`);
          expect(read.headers['content-length']).toBe(String(last - first + 1));
          expect(read.headers.etag).toBe(etag);
          expect(read.body.equals(bytes.subarray(first, last + 1))).toBe(true);
        });
      }

      it('several ranges come as multipart/byteranges', async () => {
        const read = await get(at(path), { Range: 'bytes=0-9, 100000-100009, -5' });
        expect(read.status).toBe(206);
        const boundary = /^multipart\/byteranges; *boundary="?([^"]+)"?$/.exec(read.headers['content-type'] ?? '')?.[1];
        expect(boundary).toBeDefined();
        const parts = multipart(read.body, boundary ?? '');
        expect(parts.map(part => part.range)).toEqual([
          'bytes 0-9/300000',
          'bytes 100000-100009/300000',
          'bytes 299995-299999/300000',
        ]);
        expect(
          Buffer.concat(parts.map(part => part.bytes)).equals(
            Buffer.concat([bytes.subarray(0, 10), bytes.subarray(100_000, 100_010), bytes.subarray(-5)]),
          ),
        ).toBe(true);
        expect(read.headers['content-length']).toBe(String(read.body.length));
      });

      it('416 names the size when no range lies within', async () => {
        for (const range of ['bytes=300000-', 'bytes=400000-400001', 'bytes=-0']) {
          const read = await get(at(path), { Range: range });
          expect([range, read.status, problemCode(read)]).toEqual([range, 416, 'range-not-satisfiable']);
          expect(read.headers['content-range']).toBe('bytes */300000');
        }
      });

      it('a malformed range is 416, another unit is ignored', async () => {
        for (const range of ['bytes=9-1', 'bytes=a-b', 'bytes=', 'bytes=1-2;3-4']) {
          expect([range, (await get(at(path), { Range: range })).status]).toEqual([range, 416]);
        }
        expect((await get(at(path), { Range: 'lines=1-2' })).body.length).toBe(300_000);
      });

      it('a great many ranges never make a greater answer than the object', async () => {
        for (const range of [
          `bytes=${Array.from({ length: 1_000 }, (_, index) => `${index * 2}-${index * 2}`).join()}`,
          `bytes=${Array.from({ length: 30 }, () => '0-').join()}`,
        ]) {
          const read = await get(at(path), { Range: range });
          expect([200, 206]).toContain(read.status);
          expect(read.body.length).toBeLessThan(310_000);
        }
      });

      it('If-Range serves the part only of the same bytes', async () => {
        const part = await get(at(path), { Range: 'bytes=0-9', 'If-Range': etag });
        const whole = await get(at(path), { Range: 'bytes=0-9', 'If-Range': '"other"' });
        const weak = await get(at(path), { Range: 'bytes=0-9', 'If-Range': `W/${etag}` });
        expect([part.status, whole.status, weak.status]).toEqual([206, 200, 200]);
      });

      it('HEAD and an empty object know ranges, too', async () => {
        const head = await request(at(path), { method: 'HEAD', headers: { Range: 'bytes=0-9' } });
        expect([head.status, head.headers['content-length']]).toEqual([200, '300000']);
        const empty = fresh();
        await put(at(empty), '');
        expect((await get(at(empty), { Range: 'bytes=0-' })).status).toBe(416);
      });
    });

    describe('declared digests', () => {
      const body = 'verified';
      const sha256 = createHash('sha256').update(body).digest('base64');
      const sha512 = createHash('sha512').update(body).digest('base64');
      const md5 = createHash('md5').update(body).digest('base64');

      it('that match are taken', async () => {
        for (const headers of [
          { 'Content-Digest': `sha-256=:${sha256}:` },
          { 'Content-Digest': `sha-512=:${sha512}:, sha-256=:${sha256}:` },
          { 'Content-Digest': `unixsum=:AAA=:, sha-256=:${sha256}:` },
          { 'Content-MD5': md5 },
        ]) {
          expect([headers, (await put(at(fresh()), body, headers)).status]).toEqual([headers, 200]);
        }
      });

      it('that do not match store nothing, small or large', async () => {
        for (const sent of [body, randomBytes(3_000_000)]) {
          const path = fresh();
          const wrong = createHash('sha256').update('other').digest('base64');
          const refused = await put(at(path), sent, { 'Content-Digest': `sha-256=:${wrong}:` });
          expect([refused.status, problemCode(refused)]).toEqual([400, 'digest-mismatch']);
          const md5Refused = await put(at(path), sent, {
            'Content-MD5': createHash('md5').update('o').digest('base64'),
          });
          expect([md5Refused.status, problemCode(md5Refused)]).toEqual([400, 'digest-mismatch']);
          expect((await get(at(path))).status).toBe(404);
        }
      });

      it('that cannot be parsed are refused', async () => {
        for (const headers of [
          { 'Content-Digest': 'sha-256=abc' },
          { 'Content-Digest': 'sha-256=:AAAA:' },
          { 'Content-MD5': 'not base64!' },
          { 'Content-MD5': 'AAAA' },
        ]) {
          const path = fresh();
          const refused = await put(at(path), body, headers);
          expect([headers, refused.status, problemCode(refused)]).toEqual([headers, 400, 'digest-malformed']);
          expect((await get(at(path))).status).toBe(404);
        }
      });
    });

    describe('Expect: 100-continue', () => {
      it('is answered when the body is wanted', async () => {
        expect((await askToPut(store, fresh(), 'Content-Length: 5\r\n')).text).toMatch(/^HTTP\/1\.1 100 Continue\r\n/);
        expect((await askToPut(store, fresh(), 'Content-Length: 5000000\r\n')).text).toMatch(
          /^HTTP\/1\.1 100 Continue\r\n/,
        );
      });

      it('is refused at once for an object that is too large, or whose condition fails', async () => {
        expect((await askToPut(store, fresh(), `Content-Length: ${MAX_BYTES + 1}\r\n`)).text).toMatch(
          /^HTTP\/1\.1 413 /,
        );
        const path = fresh();
        await put(at(path), 'x');
        expect((await askToPut(store, path, 'Content-Length: 5\r\nIf-None-Match: *\r\n')).text).toMatch(
          /^HTTP\/1\.1 412 /,
        );
        expect((await askToPut(store, path, 'Content-Length: 5000000\r\nIf-None-Match: *\r\n')).text).toMatch(
          /^HTTP\/1\.1 412 /,
        );
        expect((await askToPut(store, fresh(), 'Content-Length: 5\r\nContent-MD5: ?\r\n')).text).toMatch(
          /^HTTP\/1\.1 400 /,
        );
      });

      it('any other expectation is 417', async () => {
        const answer = await put(at(fresh()), 'x', { Expect: 'a-miracle' });
        expect([answer.status, problemCode(answer)]).toEqual([417, 'expectation-failed']);
      });
    });

    describe('names', () => {
      const names = [
        'a/b c',
        'a//b',
        '/leading',
        'trailing/',
        '.',
        '..',
        '../../etc/passwd',
        'CON',
        'back\\slash',
        'trailing  ',
        'ümläut',
        'ü decomposed u\u0308',
        '😀',
        '日本語/ファイル',
        'quote\'"<>&',
        'percent%41',
        'plus+and?question#hash;semicolon',
        'line\nbreak\ttab',
        'x'.repeat(1024),
        '😀'.repeat(256),
      ];
      for (const name of names) {
        it(`${JSON.stringify(name.length > 40 ? `${name.slice(0, 20)}… (${name.length})` : name)} round trips`, async () => {
          const path = `/objects/${encodeURIComponent(name)}`;
          expect((await put(at(path), `body of ${name}`)).status).toBe(200);
          expect((await get(at(path))).body.toString()).toBe(`body of ${name}`);
          expect((await request(at(path), { method: 'DELETE' })).status).toBe(204);
          expect((await get(at(path))).status).toBe(404);
        });
      }

      it('any spelling of one name is that name; slashes may stand as they are', async () => {
        await put(at('/objects/spelled/%61/b%20c'), 'x');
        for (const spelling of ['spelled%2Fa%2fb%20c', '%73pelled/a/b%20c']) {
          expect((await get(at(`/objects/${spelling}`))).body.toString()).toBe('x');
        }
      });

      it('neighbours are distinct', async () => {
        const neighbours = [
          'coll/1',
          'coll/2',
          'coll',
          'coll/',
          'coll//1',
          'Coll/1',
          'coll%2f1',
          'coll/./1',
          'x/../coll/1',
        ];
        for (const name of neighbours) await put(at(`/objects/${encodeURIComponent(name)}`), name);
        for (const name of neighbours) {
          expect((await get(at(`/objects/${encodeURIComponent(name)}`))).body.toString()).toBe(name);
        }
      });

      it('dots in the path are not resolved', async () => {
        await put(at('/objects/dots/../x'), 'kept');
        expect((await get(at('/objects/dots%2F..%2Fx'))).body.toString()).toBe('kept');
        expect((await get(at('/objects/%2e%2e/%2e%2e/health/live'))).status).toBe(404);
        expect((await get(at('/objects/../health/live'))).status).toBe(404);
      });

      it('is decoded exactly once', async () => {
        await put(at('/objects/once%2541'), 'encoded');
        expect((await get(at('/objects/once%41'))).status).toBe(404);
        expect((await get(at('/objects/once%2541'))).body.toString()).toBe('encoded');
      });

      const refused: [string, string, string][] = [
        ['empty', '', 'name-invalid'],
        ['NUL', 'a%00b', 'name-invalid'],
        ['bad UTF-8', '%ff%fe', 'name-invalid'],
        ['half an escape', 'a%4', 'name-invalid'],
        ['no escape', '%zz', 'name-invalid'],
        ['a surrogate in UTF-8', '%ed%a0%80', 'name-invalid'],
        ['1025 bytes', 'x'.repeat(1025), 'name-too-long'],
        ['1025 bytes in fewer characters', encodeURIComponent(`x${'😀'.repeat(256)}`), 'name-too-long'],
      ];
      for (const [what, spelled, code] of refused) {
        it(`${what} is refused`, async () => {
          for (const method of ['PUT', 'GET', 'DELETE', 'HEAD']) {
            const answer = await request(at(`/objects/${spelled}`), { method });
            expect([method, answer.status]).toEqual([method, 400]);
            if (method !== 'HEAD') expect(problemCode(answer)).toBe(code);
          }
        });
      }
    });

    describe('every answer', () => {
      it('that is a refusal is problem+json with a code and the request id', async () => {
        const answer = await get(at('/objects/none'), { 'X-Request-Id': 'my-id.1' });
        expect(answer.status).toBe(404);
        expect(answer.headers['x-request-id']).toBe('my-id.1');
        expect(JSON.parse(answer.body.toString())).toMatchObject({
          type: '/docs/errors#object-not-found',
          title: expect.any(String),
          status: 404,
          code: 'object-not-found',
          detail: expect.any(String),
          requestId: 'my-id.1',
        });
        expect(answer.body.toString()).not.toMatch(/\.[jt]s:\d/);
        expect((await get(at('/docs/errors'))).body.toString()).toContain('id="object-not-found"');
      });

      it('has a request id of its own when the client gives none, or a strange one', async () => {
        const [first, second] = [await get(at('/objects/none')), await get(at('/objects/none'))];
        expect(first.headers['x-request-id']).toMatch(/^[A-Za-z0-9._-]{8,64}$/);
        expect(first.headers['x-request-id']).not.toBe(second.headers['x-request-id']);
        const strange = await get(at('/objects/none'), { 'X-Request-Id': '"><script>' });
        expect(strange.headers['x-request-id']).toMatch(/^[A-Za-z0-9._-]{8,64}$/);
      });

      it('about another method is 405 with Allow', async () => {
        for (const method of ['POST', 'PATCH', 'TRACE', 'PROPFIND']) {
          const answer = await request(at('/objects/x'), { method });
          expect([method, answer.status, problemCode(answer)]).toEqual([method, 405, 'method-not-allowed']);
          expect(new Set(answer.headers.allow?.split(/, */))).toEqual(new Set(['GET', 'HEAD', 'PUT', 'DELETE']));
        }
        expect((await request(at('/health/live'), { method: 'DELETE' })).status).toBe(405);
      });

      it('about another path is 404', async () => {
        for (const path of ['/', '/object/x', '/objectsx', '/favicon.ico', '/../etc/passwd', '/Objects/x']) {
          const answer = await get(at(path));
          expect([path, answer.status, problemCode(answer)]).toEqual([path, 404, 'route-not-found']);
        }
      });

      it('about health says so', async () => {
        const live = await get(at('/health/live'));
        const ready = await get(at('/health/ready'));
        expect([live.status, JSON.parse(live.body.toString())]).toEqual([200, { status: 'ok' }]);
        expect([ready.status, JSON.parse(ready.body.toString())]).toMatchObject([200, { status: 'ok', missing: [] }]);
      });

      it('about the API is OpenAPI', async () => {
        expect((await get(at('/docs'))).status).toBeLessThan(400);
      });
    });
  });
}

/** Sends the head of a PUT that waits for permission, and no body. */
function askToPut(store: Store, path: string, headers: string): Promise<RawAnswer> {
  const head = `PUT ${path} HTTP/1.1\r\nHost: x\r\n${headers}Expect: 100-continue\r\n\r\n`;
  return rawRequest(new URL(store.url).host, head, { until: /\r\n\r\n/ });
}

function* slices(bytes: Buffer, size: number): Generator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

function multipart(body: Buffer, boundary: string): { range: string; bytes: Buffer }[] {
  const text = body.toString('latin1');
  return text
    .split(`--${boundary}`)
    .slice(1, -1)
    .map(part => {
      const [head = ''] = part.split('\r\n\r\n', 1);
      const bytes = Buffer.from(part.slice(head.length + 4, -2), 'latin1');
      return { range: /content-range: *(.+)/i.exec(head)?.[1]?.trim() ?? '', bytes };
    });
}
