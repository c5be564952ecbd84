import { createHash, randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { toObjectName } from '#contracts';
import { MemoryShardStore } from '#storage/memory';
import { MeteredStore } from '#storage/testing';
import { settleHeap } from './garbage.js';
import { expectProblem, get, put, send } from './testing/object-client.js';
import { wrap } from './testing/odd-stores.js';
import { RawClient } from './testing/raw-client.js';
import { KIB, startServer, until, type StartedServer } from './testing/start-server.js';

const running: StartedServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map(each => each.close()));
});

async function start(...args: Parameters<typeof startServer>): Promise<StartedServer> {
  const started = await startServer(...args);
  running.push(started);
  return started;
}

function digest(algorithm: 'sha256' | 'sha512', of: string): string {
  const bytes = createHash(algorithm).update(of).digest('base64');
  return `Content-Digest: ${algorithm.replace('sha', 'sha-')}=:${bytes}:\r\n`;
}

describe('PUT', () => {
  it.each([0, 1, 64 * KIB, 64 * KIB + 1, 500 * KIB])('stores %d bytes, of declared length or chunked', async size => {
    const server = await start(new MemoryShardStore());
    const body = Buffer.alloc(size, 'granary ');
    for (const headers of [{ 'Content-Length': String(size) }, { 'Transfer-Encoding': 'chunked' }]) {
      const stored = await send(server, 'PUT', '/objects/x', headers, body);
      expect(stored.status).toBe(200);
      expect(stored.headers['content-length']).toBe('0');
      const read = await get(server, 'x');
      expect(read.body.equals(body)).toBe(true);
      expect(read.headers).toMatchObject({ 'content-length': String(size), etag: stored.headers.etag });
      await send(server, 'DELETE', '/objects/x');
    }
  });

  it.each([true, undefined])('frees what was taken, and nothing before (releasesChunks: %s)', async releasesChunks => {
    settleHeap();
    const memory = new MemoryShardStore();
    const passed: Buffer[] = [];
    const server = await start(
      wrap(memory, {
        create: async (...args) => {
          const writer = await memory.create(...args);
          return {
            ...(releasesChunks && { releasesChunks }),
            write: async chunk => {
              await new Promise(resolve => setTimeout(resolve, 5));
              passed.push(chunk);
              await writer.write(chunk);
            },
            commit: (...options) => writer.commit(...options),
            abort: () => writer.abort(),
          };
        },
      }),
    );
    const body = randomBytes(1000 * KIB);
    expect((await put(server, 'x', body)).status).toBe(200);
    expect((await get(server, 'x')).body.equals(body)).toBe(true);
    const leftBytes = passed.reduce((sum, chunk) => sum + chunk.length, 0);
    if (releasesChunks) expect(leftBytes).toBeLessThan(500 * KIB);
    else expect(leftBytes).toBe(body.length);
  });

  describe.each([3, 100 * KIB])('with trailers behind %d bytes', size => {
    const body = 'x'.repeat(size);
    const good = digest('sha256', body);
    const bad = digest('sha256', 'other');

    it.each([
      { head: '', trailer: good, status: 200 },
      { head: '', trailer: bad, status: 400 },
      { head: good, trailer: digest('sha512', body), status: 200 },
      { head: bad, trailer: digest('sha512', body), status: 400 },
      { head: good, trailer: digest('sha512', 'other'), status: 400 },
    ])('verifies what they declare beside what the head did: $status', async ({ head, trailer, status }) => {
      const server = await start(new MemoryShardStore());
      const answer = await RawClient.exchange(
        server.port,
        `PUT /objects/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${head}\r\n` +
          `${size.toString(16)}\r\n${body}\r\n0\r\n${trailer}\r\n`,
      );
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect((await get(server, 'x')).status).toBe(status === 200 ? 200 : 404);
    });
  });

  it('refuses a body over the limit, told or counted, and stores nothing', async () => {
    const server = await start(new MemoryShardStore(), { maxObjectSizeBytes: 100 * KIB });
    const tooLarge = Buffer.alloc(100 * KIB + 1);
    expectProblem(await put(server, 'x', tooLarge), 'object-too-large');
    expectProblem(
      await send(server, 'PUT', '/objects/x', { 'Transfer-Encoding': 'chunked' }, tooLarge),
      'object-too-large',
    );
    expectProblem(await get(server, 'x'), 'object-not-found');
    expect((await put(server, 'x', tooLarge.subarray(1))).status).toBe(200);
  });

  it('lets a client that is still sending read the refusal', async () => {
    const server = await start(new MemoryShardStore());
    const answer = await put(server, 'x', Buffer.alloc(6 * 1024 * KIB));
    expectProblem(answer, 'object-too-large');
    expect(answer.headers.connection).toBe('close');
  });

  it('keeps Content-Type and Cache-Control', async () => {
    const server = await start(new MemoryShardStore());
    const kept = { 'content-type': 'text/plain; charset="utf-8"', 'cache-control': 'max-age=60, public' };
    await put(server, 'x', 'x', kept);
    expect((await get(server, 'x')).headers).toMatchObject(kept);
    expectProblem(await put(server, 'x', 'y', { 'Content-Type': 'nonsense' }), 'header-invalid');
    expectProblem(await put(server, 'x', 'y', { 'Cache-Control': 'a'.repeat(256) }), 'header-invalid');
    expect((await get(server, 'x')).body.toString()).toBe('x');
  });

  it('verifies declared digests and stores nothing on a mismatch', async () => {
    const server = await start(new MemoryShardStore());
    for (const size of [10, 100 * KIB]) {
      const body = Buffer.alloc(size, 'x');
      const sha256 = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
      const md5 = createHash('md5').update(body).digest('base64');
      const other = createHash('md5').update('other').digest('base64');
      expect((await put(server, 'good', body, { 'Content-Digest': sha256, 'Content-MD5': md5 })).status).toBe(200);
      expectProblem(await put(server, 'bad', body, { 'Content-MD5': other }), 'digest-mismatch');
      expectProblem(await put(server, 'bad', body, { 'Content-Digest': 'sha-256=abc' }), 'digest-malformed');
      expectProblem(await get(server, 'bad'), 'object-not-found');
    }
  });

  it('refuses a part', async () => {
    const server = await start(new MemoryShardStore());
    expectProblem(await put(server, 'x', 'x', { 'Content-Range': 'bytes 0-0/2' }), 'header-invalid');
  });

  it('honours If-None-Match and If-Match', async () => {
    const server = await start(new MemoryShardStore());
    expectProblem(await put(server, 'x', 'a', { 'If-Match': '*' }), 'precondition-failed');
    const first = await put(server, 'x', 'a', { 'If-None-Match': '*' });
    expect(first.status).toBe(200);
    expectProblem(await put(server, 'x', 'b', { 'If-None-Match': '*' }), 'precondition-failed');
    expectProblem(await put(server, 'x', 'b', { 'If-Match': `W/${first.headers.etag}` }), 'precondition-failed');
    expect((await put(server, 'x', 'b', { 'If-Match': `"x", ${first.headers.etag}` })).status).toBe(200);
  });

  it('lets one of many at once create', async () => {
    const server = await start(new MemoryShardStore());
    const answers = await Promise.all(
      Array.from({ length: 32 }, (_, i) => put(server, 'x', String(i), { 'If-None-Match': '*' })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array(31).fill(412)]);
  });
});

describe('many uploads of large objects', () => {
  const uploads = 32;
  const body = Buffer.alloc(2048 * KIB, 'x');
  it.each<[string, Record<string, string>, number]>([
    ['of known length', { 'Content-Length': String(body.length) }, 128],
    // What was collected goes on in one piece, and what they may move is of turns before.
    ['chunked', { 'Transfer-Encoding': 'chunked' }, 256 + 192],
  ])('leave each turn of the event loop to others (%s)', async (_how, headers, firstKib) => {
    settleHeap();
    const metered = new MeteredStore();
    let waiting = 0;
    const gate = new EventEmitter();
    const open = once(gate, 'open');
    const store = wrap(metered, {
      create: async (...args) => {
        waiting += 1;
        await open;
        return metered.create(...args);
      },
    });
    const server = await start(store, { maxObjectSizeBytes: body.length });
    const names = Array.from({ length: uploads }, (_, index) => `x${index}`);
    const sending = names.map(name => send(server, 'PUT', `/objects/${name}`, headers, body));
    // The kernel has some MiB of each by then.
    await until(() => waiting === uploads);
    await sleep(100);
    gate.emit('open');

    expect((await Promise.all(sending)).map(({ status }) => status)).toEqual(names.map(() => 200));
    // Two turns', and what each of them begins with: what came with its head, and the piece behind it.
    expect(metered.mostBytesPerTurn).toBeLessThan((2 * 256 + uploads * firstKib) * KIB);
  });
});

describe('Expect', () => {
  it('is answered with 100 once the store is willing, and then with the result', async () => {
    const { port } = await start(new MemoryShardStore());
    const client = await RawClient.connect(port);
    client.send(expectingHead(5));
    await client.untilText(/^HTTP\/1.1 100 Continue\r\n\r\n$/);
    client.send('hello');
    await client.untilText(/HTTP\/1.1 200 OK/);
    client.destroy();
  });

  it('is not answered with 100 when the size, the condition or the store forbids', async () => {
    const store = new MemoryShardStore({ capacityBytes: 10 });
    const { port } = await start(store);
    expect(await RawClient.exchange(port, expectingHead(2 * 1024 * KIB))).toMatch(/^HTTP\/1.1 413 /);
    expect(await RawClient.exchange(port, expectingHead(11))).toMatch(/^HTTP\/1.1 507 /);
    await store.put(toObjectName('x'), Buffer.from('x'), {});
    expect(await RawClient.exchange(port, expectingHead(1))).toMatch(/^HTTP\/1.1 412 /);
  });

  it('of anything else is a 417', async () => {
    const { port } = await start(new MemoryShardStore());
    for (const expectation of ['200-ok', '100-continue, 200-ok']) {
      expect(await RawClient.exchange(port, expectingHead(1, expectation))).toMatch(
        /^HTTP\/1.1 417 .*"expectation-failed"/s,
      );
    }
  });
});

describe('a body cut short', () => {
  it.each([
    ['of small declared length', 'Content-Length: 100\r\n\r\nhalf'],
    ['of large declared length', 'Content-Length: 500000\r\n\r\nhalf'],
    ['chunked', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    ['in the middle of a chunk', 'Transfer-Encoding: chunked\r\n\r\nff\r\nhalf'],
  ])('%s stores nothing, and is told so if the client listens', async (_, rest) => {
    const server = await start(new MemoryShardStore());
    await put(server, 'x', 'old');
    const client = await RawClient.connect(server.port);
    client.send(`PUT /objects/x HTTP/1.1\r\nHost: x\r\n${rest}`);
    client.socket.end();
    expect(await client.untilText(/\}$/)).toMatch(/^HTTP\/1.1 400 .*Connection: close.*"body-incomplete"/s);
    await client.untilClosed();
    expect((await get(server, 'x')).body.toString()).toBe('old');
  });

  it('by a client that vanished aborts the write', async () => {
    const memory = new MemoryShardStore();
    let isAborted = false;
    const store = wrap(memory, {
      create: async (key, options) => {
        const writer = await memory.create(key, options);
        return {
          write: chunk => writer.write(chunk),
          commit: given => writer.commit(given),
          abort: async () => {
            await writer.abort();
            isAborted = true;
          },
        };
      },
    });
    const { port } = await start(store);
    const client = await RawClient.connect(port);
    client.send(`PUT /objects/x HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n${'x'.repeat(100_000)}`);
    setTimeout(() => client.socket.resetAndDestroy(), 50);
    await until(() => isAborted);
    expect(memory.has(toObjectName('x'))).toBe(false);
  });

  it('by a malformed chunk stores nothing', async () => {
    const server = await start(new MemoryShardStore());
    const answer = await RawClient.exchange(
      server.port,
      'PUT /objects/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1.1 400 .*"request-malformed"/s);
    expectProblem(await get(server, 'x'), 'object-not-found');
  });
});

function expectingHead(length: number, expectation = '100-continue'): string {
  return `PUT /objects/x HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\nExpect: ${expectation}\r\nIf-None-Match: *\r\n\r\n`;
}
