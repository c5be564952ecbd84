import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeObjectName, toObjectName } from '#contracts';
import { MemoryShardStore } from '#storage/memory';
import { expectProblem, get, put, send } from './testing/object-client.js';
import { startServer, type StartedServer } from './testing/start-server.js';

const running: StartedServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map(each => each.close()));
});

async function start(...args: Parameters<typeof startServer>): Promise<StartedServer> {
  const started = await startServer(...args);
  running.push(started);
  return started;
}

describe('DELETE', () => {
  it('answers 204, then 404', async () => {
    const server = await start(new MemoryShardStore());
    const etag = String((await put(server, 'x', 'x')).headers.etag);
    expect((await send(server, 'DELETE', '/objects/x', { 'If-Match': '"other"' })).status).toBe(412);
    const deleted = await send(server, 'DELETE', '/objects/x', { 'If-Match': etag });
    expect(deleted).toMatchObject({ status: 204, body: Buffer.alloc(0) });
    expectProblem(await send(server, 'DELETE', '/objects/x'), 'object-not-found');
  });
});

describe('?version=, of a store that keeps none', () => {
  it('is refused and never ignored', async () => {
    const server = await start(new MemoryShardStore());
    await put(server, 'x', 'x');
    for (const method of ['GET', 'DELETE']) {
      expectProblem(await send(server, method, '/objects/x?version=1'), 'versions-not-kept');
      expectProblem(await send(server, method, '/objects/x?version='), 'query-invalid');
    }
    expectProblem(await put(server, 'x?version=1', 'y'), 'versions-not-kept');
    expect((await get(server, 'x?all')).body.toString()).toBe('x');
  });
});

describe('a parameter that objects do not have', () => {
  const misspelt = ['versionId=1', 'Version=1', 'versions', '=1', 'version=1&x=y'];

  it.each(misspelt)('?%s, is refused by a store that keeps versions, and nothing is done', async query => {
    const store = new MemoryShardStore();
    const server = await start(Object.assign(store, { keepsVersions: true }));
    await put(server, 'x', 'x');
    for (const method of ['GET', 'HEAD', 'DELETE']) {
      const refused = await send(server, method, `/objects/x?${query}`);
      if (method === 'HEAD') expect(refused.status).toBe(400);
      else expectProblem(refused, 'query-invalid');
    }
    expectProblem(await put(server, `x?${query}`, 'y'), 'query-invalid');
    expect((await get(server, 'x?')).body.toString()).toBe('x');
  });
});

describe('names', () => {
  it('are any Unicode, decoded once from the raw path', async () => {
    const server = await start(new MemoryShardStore());
    const name = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 40 })
      .filter(text => text.isWellFormed() && !text.includes('\0'));
    await fc.assert(
      fc.asyncProperty(name, async text => {
        const encoded = encodeObjectName(toObjectName(text));
        expect((await put(server, encoded, text)).status).toBe(200);
        expect((await get(server, encoded)).body.toString()).toBe(text);
      }),
      { numRuns: 15 },
    );
  });

  it('are never normalised', async () => {
    const server = await start(new MemoryShardStore());
    const names = ['..', '%2e%2e/x', '../x', './x', 'a/../x', 'x', '/x', '//x', 'x/', 'a\\x', 'CON', 'x%20', 'x%2520'];
    for (const name of names) await put(server, name, name);
    const distinct = new Set(names.map(name => decodeURIComponent(name)));
    expect(distinct.size).toBe(names.length - 1);
    for (const name of names) {
      const expected = name === '%2e%2e/x' ? '../x' : name;
      expect((await get(server, `${name}?query`)).body.toString()).toBe(expected);
    }
  });

  it('may come in an absolute target', async () => {
    const server = await start(new MemoryShardStore());
    await put(server, 'a/b', 'text');
    expect((await send(server, 'GET', 'HTTP://any.host:80/objects/a/b?q')).body.toString()).toBe('text');
  });

  it.each(['', '%', '%zz', '%ff', 'a%00b', '%c0%80'])('are refused when they are %j', async name => {
    const server = await start(new MemoryShardStore());
    expectProblem(await put(server, name, 'x'), 'name-invalid');
    expectProblem(await get(server, name), 'name-invalid');
  });

  it('may have 1024 bytes', async () => {
    const server = await start(new MemoryShardStore());
    expect((await put(server, 'x'.repeat(1024), 'x')).status).toBe(200);
    expectProblem(await put(server, 'x'.repeat(1025), 'x'), 'name-too-long');
  });
});

describe('anything else', () => {
  it.each(['POST', 'PATCH', 'OPTIONS', 'TRACE'])('%s is a 405 with Allow', async method => {
    const server = await start(new MemoryShardStore());
    const answer = await send(server, method, '/objects/x');
    expectProblem(answer, 'method-not-allowed');
    expect(answer.headers.allow).toBe('GET, HEAD, PUT, DELETE');
  });

  it('outside of /objects/ is a 404', async () => {
    expectProblem(await send(await start(new MemoryShardStore()), 'GET', '/objectsx'), 'route-not-found');
  });
});

describe('request ids', () => {
  it('are taken from the client when harmless, else made', async () => {
    const server = await start(new MemoryShardStore());
    expect((await get(server, 'x', { 'X-Request-Id': 'a.b_c-1' })).headers['x-request-id']).toBe('a.b_c-1');
    const made = await Promise.all(
      ['a b', 'x'.repeat(65), '<script>'].map(async id => (await get(server, 'x', { 'X-Request-Id': id })).headers),
    );
    const ids = made.map(headers => headers['x-request-id']);
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{12}-[0-9a-z]+$/);
    expect((await put(server, 'x', 'x', { 'X-Request-Id': 'mine' })).headers['x-request-id']).toBe('mine');
  });
});

describe('between our servers', () => {
  it('stamps, moves and remembered removals are obeyed where trusted', async () => {
    const memory = new MemoryShardStore();
    const server = await start(memory, { trustGranaryHeaders: true });
    const stamp = Date.now() * 1024 + 7;
    const move = { 'Granary-Stamp': String(stamp), 'Granary-Move': '1234000' };
    expect((await put(server, 'x', 'x', move)).headers['granary-stamp']).toBe(String(stamp));
    expect((await get(server, 'x')).headers).toMatchObject({
      'granary-stamp': String(stamp),
      'granary-modified-ms': '1234000',
      'granary-crc32c': expect.stringMatching(/^[0-9a-f]{8}$/),
    });
    expectProblem(await put(server, 'x', 'y', { 'Granary-Stamp': 'x' }), 'header-invalid');
    expectProblem(await put(server, 'x', 'y', { 'Granary-Move': '1' }), 'header-invalid');
    const absent = await send(server, 'DELETE', '/objects/y', {
      'Granary-Remember': '1',
      'Granary-Stamp': String(stamp),
    });
    expectProblem(absent, 'object-not-found');
    expect(absent.headers['granary-stamp']).toBe(String(stamp));
    expect([...memory.entries()].filter(({ removed }) => removed)).toHaveLength(1);
  });

  it('and ignored where not', async () => {
    const server = await start(new MemoryShardStore());
    const stored = await put(server, 'x', 'x', { 'Granary-Stamp': 'x', 'Granary-Move': 'y' });
    expect(stored.status).toBe(200);
    expect(stored.headers['granary-stamp']).toBeUndefined();
  });
});
