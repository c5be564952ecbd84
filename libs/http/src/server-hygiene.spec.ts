import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { toObjectName } from '#contracts';
import { MemoryShardStore } from '#storage/memory';
import { silentLogger, type Logger } from '#telemetry';
import { HTTP_SERVER_OPTIONS, hardenServer } from './server-hygiene.js';
import { RawClient } from './testing/raw-client.js';
import { KIB, startServer, type StartedServer } from './testing/start-server.js';

const running: StartedServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map(each => each.close()));
});

async function start(options: Parameters<typeof startServer>[1] = {}, store = new MemoryShardStore()) {
  await store.put(toObjectName('x'), Buffer.alloc(900 * KIB), {});
  const started = await startServer(store, options);
  running.push(started);
  return started;
}

/** More than the kernel's buffers hold, so that its answer stays under way while nobody reads. */
async function storeOfLargeObject(bytes = 24 * 1024 * KIB): Promise<MemoryShardStore> {
  const store = new MemoryShardStore();
  await store.put(toObjectName('large'), Buffer.alloc(bytes), {});
  return store;
}

const GET = 'GET /objects/y HTTP/1.1\r\nHost: x\r\n\r\n';
const PUT = 'PUT /objects/y HTTP/1.1\r\nHost: x\r\n';

/** Each must be refused and closed, and leave the server up. */
describe('malformed requests', () => {
  it.each([
    ['garbage', '\x00\x01\x02\r\n\r\n', 400],
    ['a tunnel', 'CONNECT y:443 HTTP/1.1\r\nHost: y:443\r\n\r\n', 405],
    ['HTTP/0.9', 'GET /objects/y\r\n\r\n', 400],
    ['an unknown version', 'GET /objects/y HTTP/9.9\r\nHost: x\r\n\r\n', 400],
    ['two Host headers', 'GET /objects/y HTTP/1.1\r\nHost: a\r\nHOST: b\r\n\r\n', 400],
    ['no Host header', 'GET /objects/y HTTP/1.1\r\n\r\n', 400],
    ['lengths and chunks at once', `${PUT}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['two different lengths', `${PUT}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`, 400],
    ['a list of lengths', `${PUT}Content-Length: 1, 1\r\n\r\na`, 400],
    ['a negative length', `${PUT}Content-Length: -1\r\n\r\n`, 400],
    ['a length with a sign', `${PUT}Content-Length: +1\r\n\r\na`, 400],
    ['an absurd length', `${PUT}Content-Length: 99999999999999999999999\r\n\r\n`, 400],
    ['a length that no double holds', `${PUT}Content-Length: 9007199254740993\r\n\r\n`, 413],
    ['an unknown transfer coding', `${PUT}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a coding after chunked', `${PUT}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`, 400],
    ['a bare LF after a header', 'GET /objects/y HTTP/1.1\nHost: x\n\n', 400],
    ['a bare LF in the head', 'GET /objects/y HTTP/1.1\r\nHost: x\nX: y\r\n\r\n', 400],
    ['a space before the colon', 'GET /objects/y HTTP/1.1\r\nHost : x\r\n\r\n', 400],
    ['a folded header', 'GET /objects/y HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n', 400],
    ['NUL in a header', 'GET /objects/y HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n', 400],
    ['huge headers', `GET /objects/y HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['a huge target', `GET /objects/${'y'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  ])('%s', async (_, request, status) => {
    const { port } = await start();
    const answer = await RawClient.exchange(port, request);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(/Connection: close/i);
    expect(answer).toMatch(
      /"code":"(request-malformed|headers-too-large|object-too-large|method-not-allowed)".*"requestId":"[^"]+"}$/s,
    );
    const next = await RawClient.connect(port);
    next.send(GET);
    await next.untilText(/^HTTP\/1.1 404 /);
    next.destroy();
  });

  it('do not write into an answer that is under way', async () => {
    const { port } = await start({}, await storeOfLargeObject());
    const client = await RawClient.connect(port);
    client.send('GET /objects/large HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.untilText(/^HTTP\/1.1 200 /);
    client.socket.pause();
    client.send('garbage\r\n\r\n');
    client.socket.resume();
    await client.untilClosed();
    expect(client.text.match(/HTTP\/1.1/g)).toHaveLength(1);
    expect(client.text).not.toMatch(/request-malformed/);
  });

  it('without a length get 411', async () => {
    const { port } = await start();
    const client = await RawClient.connect(port);
    client.send(`${PUT}\r\n`);
    await client.untilText(/^HTTP\/1.1 411 .*"length-required"/s);
    client.destroy();
  });
});

describe('rubbish behind a request', () => {
  it('gets 400 once the body of that has been read', async () => {
    const { port } = await start();
    const client = await RawClient.connect(port);
    client.send(`${PUT}Content-Length: 2\r\n\r\nok`);
    await client.untilText(/^HTTP\/1.1 200 /);
    client.send('rubbish\r\n\r\n');
    await client.untilClosed();
    expect(client.text).toMatch(/HTTP\/1.1 400 .*"request-malformed"/s);
  });
});

describe('pipelined requests', () => {
  it('are carried out and answered one after the other', async () => {
    const { port } = await start();
    const client = await RawClient.connect(port);
    client.send(`${GET}${PUT}Content-Length: 2\r\n\r\nok${GET}${GET.replace('GET', 'DELETE')}${GET}`);
    await client.untilText(/(404 .*){2}}$/s);
    expect(client.text.match(/(?<=HTTP\/1.1 )\d+/g)).toEqual(['404', '200', '200', '204', '404']);
    client.destroy();
  });
});

describe('slow clients', () => {
  const stallTimeoutMs = 1_000;

  it('that let a body stall get 408 and are closed', async () => {
    const { port } = await start({ stallTimeoutMs });
    for (const length of [100, 500_000]) {
      const answer = await RawClient.exchange(port, `${PUT}Content-Length: ${length}\r\n\r\nstalls`);
      expect(answer).toMatch(/^HTTP\/1.1 408 .*Connection: close.*"request-timeout"/s);
    }
  });

  it('that progress succeed, however long it takes', async () => {
    const { port } = await start({ stallTimeoutMs });
    const client = await RawClient.connect(port);
    client.send(`${PUT}Content-Length: 10\r\n\r\n`);
    for (let i = 0; i < 10; i += 1) {
      await new Promise(resolve => setTimeout(resolve, 150));
      client.send('x');
    }
    await client.untilText(/^HTTP\/1.1 200 /);
    client.destroy();
  });

  it('that stop reading are closed; those that read slowly are not', async () => {
    const bytes = 48 * 1024 * KIB;
    const { port, server } = await start({ stallTimeoutMs }, await storeOfLargeObject(bytes));
    const stuck = await RawClient.connect(port);
    const slow = await RawClient.connect(port);
    for (const client of [stuck, slow]) {
      client.socket.pause();
      client.send(
        `GET /objects/large HTTP/1.1\r\nHost: x\r\n\r\n${GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}`,
      );
    }
    const open = () => new Promise<number>(resolve => server.getConnections((_error, count) => resolve(count)));
    // Two seconds, or longer after a pause of this process, of which nobody is to blame.
    for (let i = 0; i < 20 || (i < 40 && (await open()) > 1); i += 1) {
      await new Promise(resolve => setTimeout(resolve, 100));
      slow.socket.read(1024 * KIB);
    }
    expect(await open()).toBe(1);
    slow.socket.resume();
    await slow.untilClosed();
    expect(slow.text.length).toBeGreaterThan(bytes);
    stuck.destroy();
  });

  it('are not blamed for a pause of this process', async () => {
    const { port } = await start({ stallTimeoutMs }, await storeOfLargeObject());
    const client = await RawClient.connect(port);
    client.socket.pause();
    client.send('GET /objects/large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    // The first look of the idle timer finds that the kernel took some of it.
    await new Promise(resolve => setTimeout(resolve, 0.6 * stallTimeoutMs));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * stallTimeoutMs);
    client.socket.resume();
    await client.untilClosed();
    expect(client.text.length).toBeGreaterThan(24 * 1024 * KIB);
  });

  it('are not blamed for a slow store', async () => {
    const store = new MemoryShardStore();
    const { put } = store;
    store.put = async (...args) => {
      await new Promise(resolve => setTimeout(resolve, 2_000));
      return put.apply(store, args);
    };
    const { port } = await start({ stallTimeoutMs }, store);
    const client = await RawClient.connect(port);
    client.send(`${PUT}Content-Length: 2\r\n\r\nok`);
    await client.untilText(/^HTTP\/1.1 200 /);
    client.destroy();
  });

  it('that drip their head are closed with 408', async () => {
    const server = createServer({ ...HTTP_SERVER_OPTIONS, headersTimeout: 300, connectionsCheckingInterval: 50 });
    hardenServer(server, { logger: silentLogger });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    expect(await RawClient.exchange(port, 'GET /objects/x HTT')).toMatch(/^HTTP\/1.1 408 .*"request-timeout"/s);
    expect(await RawClient.exchange(port, '')).toMatch(/^HTTP\/1.1 408 /);
    server.close();
  });
});

describe('a lack of descriptors', () => {
  it('neither ends the process nor floods the log', () => {
    const lines: object[] = [];
    const logger = { ...silentLogger, warn: (fields: object) => lines.push(fields) } as unknown as Logger;
    const server = createServer();
    hardenServer(server, { logger });
    const error = Object.assign(new Error('accept EMFILE'), { syscall: 'accept', code: 'EMFILE' });
    for (let i = 0; i < 1000; i += 1) server.emit('error', error);
    expect(lines).toEqual([{ dropped: 1, reason: 'accept EMFILE' }]);
    const other = Object.assign(new Error('listen EADDRINUSE'), { syscall: 'listen' });
    expect(() => server.emit('error', other)).toThrow(other);
  });

  it('is prevented by a limit of connections', async () => {
    const { port } = await start({ maxConnections: 1 });
    const first = await RawClient.connect(port);
    first.send(GET);
    await first.untilText(/^HTTP\/1.1 404 /);
    expect(await RawClient.exchange(port, GET)).toBe('');
    first.destroy();
  });
});

describe('aborted transfers', () => {
  it('leave nothing behind', async () => {
    const { port, server } = await start();
    const before = openDescriptors();
    for (let i = 0; i < 200; i += 1) {
      const client = await RawClient.connect(port);
      client.send(
        i % 2 === 0 ? 'GET /objects/x HTTP/1.1\r\nHost: x\r\n\r\n' : `${PUT}Content-Length: 500000\r\n\r\nhalf`,
      );
      await new Promise(resolve => setImmediate(resolve));
      client.socket.resetAndDestroy();
    }
    const count = (): Promise<number> => new Promise(resolve => server.getConnections((_e, n) => resolve(n)));
    for (let i = 0; i < 500 && (await count()) > 0; i += 1) await new Promise(resolve => setTimeout(resolve, 20));
    expect(await count()).toBe(0);
    expect(openDescriptors()).toBeLessThanOrEqual(before + 2);
  });
});

/** Linux only; elsewhere the connections alone are counted. */
function openDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}
