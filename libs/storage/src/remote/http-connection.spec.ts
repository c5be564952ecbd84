import { afterEach, describe, expect, it } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { toObjectName } from '#contracts';
import type { DataServerUnavailable } from '../data-server-unavailable.js';
import type { Sink } from '../shard-store.js';
import { PATIENT } from '../testing/patient.js';
import { sendInPieces } from '../testing/send-in-pieces.js';
import { until } from '../testing/until.js';
import { WatchedBuffers } from '../testing/watched-buffers.js';
import { RemoteStores, type RemoteStoresOptions } from './remote-stores.js';

/** Servers that do what they should not. Each gets the connection and what has been received of it, once per head. */
type Behaviour = (socket: Socket, head: string) => void;

const KEY = toObjectName('k');
const ETAG = 'a'.repeat(64);
const INFO = `ETag: "${ETAG}"\r\nGranary-Stamp: 7\r\nGranary-Modified-Ms: 1\r\nGranary-Crc32c: 00000000\r\n`;
/** For servers that hang; others have all the time that the machine takes. */
const QUICK: RemoteStoresOptions = {
  connectMs: 1000,
  continueMs: 200,
  answerMs: 600,
  probeMs: 400,
  commitMs: 1800,
  stallMs: 900,
};

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function listen(behave: Behaviour): Promise<{ address: string; server: Server; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    let received = '';
    socket.on('data', bytes => {
      received += bytes.toString('latin1');
      const end = received.indexOf('\r\n\r\n');
      if (end === -1) return;
      const head = received.slice(0, end);
      received = received.slice(end + 4);
      behave(socket, head);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise(resolve => server.close(resolve));
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, server, sockets };
}

interface Health {
  answers: number;
  failures: DataServerUnavailable[];
}

async function against(behave: Behaviour, options: RemoteStoresOptions = {}) {
  const listening = await listen(behave);
  const health: Health = { answers: 0, failures: [] };
  const stores = new RemoteStores({
    ...PATIENT,
    health: { onAnswer: () => health.answers++, onFailure: (_, error) => health.failures.push(error) },
    ...options,
  });
  cleanups.push(() => stores.close());
  return { ...listening, health, stores, store: stores.storeAt(listening.address, 'granary') };
}

const respond = (bytes: string | Buffer): Behaviour => {
  return socket => void socket.write(bytes);
};
const hang: Behaviour = () => {};
const descriptors = (): number => readdirSync('/proc/self/fd').length;
const whole = (body: string, extra = '') =>
  `HTTP/1.1 200 OK\r\n${INFO}${extra}Content-Length: ${body.length}\r\n\r\n${body}`;

async function readWhole(store: ReturnType<RemoteStores['storeAt']>): Promise<string> {
  const reader = await store.open(KEY);
  let text = '';
  await reader?.copyTo(chunk => void (text += chunk.toString('latin1')));
  await reader?.close();
  return text;
}

const unavailable = (reason: string) => ({ code: 'data-server-unavailable', reason });

describe('a data server that answers', () => {
  it('in pieces cut anywhere is understood', async () => {
    const body = 'x'.repeat(200);
    const bytes = Buffer.from(`HTTP/1.1 102 Processing\r\n\r\n${whole(body)}`);
    let cuts: number[] = [];
    const { store } = await against(socket => sendInPieces(socket, bytes, cuts));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 5 }), async at => {
        cuts = at.sort((a, b) => a - b);
        expect(await readWhole(store)).toBe(body);
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    ['with a giant head', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(5000)}`],
    ['with a flood of interim responses', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(50)],
    ['with a body until it closes', 'HTTP/1.1 200 OK\r\n\r\nabc'],
    ['with no HTTP', '220 smtp.example ESMTP\r\n\r\n'],
    ['without saying what it has', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx'],
    [
      '200 in chunks, without the length',
      `HTTP/1.1 200 OK\r\n${INFO}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
    ],
  ])('%s is unavailable', async (_what, answer) => {
    const { store } = await against(respond(answer));
    await expect(store.open(KEY)).rejects.toMatchObject(unavailable('malformed'));
  });

  it('with 404, but not as a data server does, is not believed', async () => {
    const { store } = await against(respond('HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nnah'));
    await expect(store.open(KEY)).rejects.toMatchObject(unavailable('answer'));
    await expect(store.remove(KEY, {})).rejects.toMatchObject(unavailable('answer'));
  });

  it('with a bad chunk in a long refusal is unavailable', async () => {
    const { store } = await against(
      respond(
        'HTTP/1.1 500 Oops\r\nContent-Type: application/problem+json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      ),
    );
    await expect(store.open(KEY)).rejects.toMatchObject(unavailable('answer'));
  });

  it('with more than the response is not asked again on that connection', async () => {
    let connections = 0;
    const { store, server } = await against(respond(`${whole('abc')}garbage`));
    server.on('connection', () => connections++);
    for (let round = 1; round <= 3; round++) {
      expect(await readWhole(store)).toBe('abc');
      expect(connections).toBe(round);
    }
  });

  it('and closes when told so, or by itself, is asked on a new connection', async () => {
    let answers = 0;
    const { store, health } = await against(socket => {
      answers += 1;
      if (answers % 2 === 0) socket.end(whole('abc', 'Connection: close\r\n'));
      else socket.write(whole('abc'), () => setTimeout(() => socket.destroy(), 5));
    });
    for (let round = 0; round < 6; round++) {
      expect(await readWhole(store)).toBe('abc');
      if (round % 2 === 0) await sleep(15);
    }
    expect(health.failures).toEqual([]);
  });
});

describe('a data server that breaks off', () => {
  it('a body, does so for the reader too, never silently', async () => {
    const { store } = await against(socket => void socket.end(whole('x'.repeat(100_000)).slice(0, 60_000)));
    await expect(readWhole(store)).rejects.toMatchObject(unavailable('closed'));
  });

  it('before it answers, on a connection that was idle, is asked once more if that is safe', async () => {
    let heads: string[] = [];
    const { store, health } = await against((socket, head) => {
      heads.push(head.split(' ')[0] ?? '');
      if (heads.length === 2) socket.resetAndDestroy();
      else socket.write(head.startsWith('PUT') ? whole('') : whole('abc'));
    });
    await readWhole(store);
    expect(await readWhole(store)).toBe('abc');
    expect(heads).toEqual(['GET', 'GET', 'GET']);

    heads = ['GET'];
    await store.put(KEY, Buffer.from('x'), { stamp: 7 });
    expect(heads).toEqual(['GET', 'PUT', 'PUT']);
    expect(health.failures).toEqual([]);

    heads = ['GET'];
    await expect(
      store.put(KEY, Buffer.from('x'), { stamp: 7, precondition: { ifNoneMatch: '*' } }),
    ).rejects.toMatchObject({
      ...unavailable('closed'),
      mayHaveHappened: true,
    });
    heads = ['GET', 'GET'];
    await readWhole(store);
    heads = ['GET'];
    await expect(store.remove(KEY, {})).rejects.toMatchObject({ ...unavailable('closed'), mayHaveHappened: true });
  });

  it('a first exchange is not asked again, and is reported', async () => {
    let requests = 0;
    const { store, health, address } = await against(socket => {
      requests += 1;
      socket.destroy();
    });
    await expect(readWhole(store)).rejects.toMatchObject({ address, mayHaveHappened: false });
    expect(requests).toBe(1);
    expect(health.failures).toHaveLength(1);
  });

  it('cannot be reached at all: nothing has happened', async () => {
    const { store, server, health } = await against(respond(''));
    await new Promise(resolve => server.close(resolve));
    await expect(store.put(KEY, Buffer.from('x'), {})).rejects.toMatchObject({
      ...unavailable('unreachable'),
      mayHaveHappened: false,
    });
    expect(health.failures).toMatchObject([unavailable('unreachable')]);
  });
});

describe('a data server that hangs', () => {
  it('fails reads and writes within their deadlines, and says which may have happened', async () => {
    const { store } = await against(hang, QUICK);
    const startedMs = performance.now();
    await expect(store.open(KEY)).rejects.toMatchObject(unavailable('timeout'));
    await expect(store.put(KEY, Buffer.from('x'), {})).rejects.toMatchObject({
      ...unavailable('timeout'),
      mayHaveHappened: true,
    });
    await expect(store.create(KEY, {})).rejects.toMatchObject({ ...unavailable('timeout'), mayHaveHappened: false });
    expect(performance.now() - startedMs).toBeLessThan(8000);
  });

  it('in mid-body fails the reader after the stall deadline', async () => {
    const { store } = await against(respond(whole('x'.repeat(100_000)).slice(0, 50_000)), QUICK);
    await expect(readWhole(store)).rejects.toMatchObject(unavailable('timeout'));
  });

  it('and drips its head is given up', async () => {
    const { store } = await against(socket => {
      const drip = setInterval(() => socket.write('H'), 20);
      socket.on('close', () => clearInterval(drip));
    }, QUICK);
    await expect(store.open(KEY)).rejects.toMatchObject(unavailable('timeout'));
  });

  it('at commit only because its disk is slow, is waited for', async () => {
    const { store } = await against((socket, head) => {
      if (head.startsWith('GET /health/live')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      else setTimeout(() => socket.write(whole('')), 1000);
    }, QUICK);
    expect((await store.put(KEY, Buffer.from('x'), {})).etag).toBe(ETAG);
  });

  it('leaves at once when the signal says so', async () => {
    const { store, sockets, health } = await against(hang, { answerMs: 60_000 });
    const controller = new AbortController();
    const opening = store.open(KEY, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expect(opening).rejects.toMatchObject({ name: 'AbortError' });
    await until('no connection is left', () => sockets.size === 0);
    expect(health.failures).toEqual([]);
  });

  it('keeps those that wait for a connection no longer than their deadline', async () => {
    const { store } = await against(hang, { ...QUICK, maxConnections: 1, waitMs: 50, answerMs: 1000 });
    const first = expect(store.open(KEY)).rejects.toMatchObject(unavailable('timeout'));
    await expect(store.open(KEY)).rejects.toMatchObject(unavailable('unreachable'));
    await first;
  });
});

describe('an upload', () => {
  const CHUNK = Buffer.alloc(64 * 1024, 'x');

  it('is refused before its first byte when the server answers the expectation', async () => {
    const problem = JSON.stringify({ code: 'storage-full', detail: 'No space.' });
    const { store, health } = await against(
      respond(
        `HTTP/1.1 507 Full\r\nContent-Type: application/problem+json\r\nContent-Length: ${problem.length}\r\n\r\n${problem}`,
      ),
    );
    await expect(store.create(KEY, { length: 10 })).rejects.toMatchObject({ code: 'storage-full' });
    expect(health).toMatchObject({ answers: 1, failures: [] });
  });

  it('goes on when the server ignores the expectation, but is alive', async () => {
    const { store } = await against(
      (socket, head) => {
        if (head.startsWith('GET')) socket.write('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
        else socket.on('data', bytes => bytes.includes('0\r\n\r\n') && socket.write(whole('')));
      },
      { continueMs: 200 },
    );
    const writer = await store.create(KEY, {});
    await writer.write(Buffer.from('hello'));
    expect((await writer.commit()).size).toBe(5);
  });

  it.each([
    ['200', whole(''), 'data-server-unavailable'],
    [
      '412',
      'HTTP/1.1 412 No\r\nContent-Type: application/problem+json\r\nContent-Length: 30\r\n\r\n{"code":"precondition-failed"}',
      'precondition-failed',
    ],
  ])('answered %s before its end fails, and its connection is not used again', async (_what, answer, code) => {
    const { store, sockets } = await against((socket, head) => {
      if (!head.startsWith('PUT')) return;
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      setTimeout(() => socket.write(answer), 20);
    });
    const writer = await store.create(KEY, { length: 1000 * CHUNK.length });
    const writing = (async () => {
      for (let i = 0; i < 999; i++) {
        await writer.write(CHUNK);
        await sleep(1);
      }
    })();
    await expect(writing).rejects.toMatchObject({ code });
    await writer.abort();
    await until('no connection is left', () => sockets.size === 0);
  });

  it('that is refused while a chunk is on its way fails that write, since the kernel may read the chunk still', async () => {
    const { store } = await against((socket, head) => {
      if (!head.startsWith('PUT')) return;
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      socket.pause();
      const refusal = '{"code":"storage-full"}';
      const fields = `Content-Type: application/problem+json\r\nContent-Length: ${refusal.length}\r\n`;
      setTimeout(() => socket.write(`HTTP/1.1 507 Full\r\n${fields}\r\n${refusal}`), 50);
    });
    const writer = await store.create(KEY, {});
    await expect(writer.write(Buffer.alloc(32 * 1024 * 1024))).rejects.toMatchObject({ code: 'storage-full' });
    await writer.abort();
  });

  it('that the server does not read stalls, and then fails without having happened', async () => {
    const { store } = await against((socket, head) => {
      if (!head.startsWith('PUT')) return;
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      socket.pause();
    }, QUICK);
    const writer = await store.create(KEY, {});
    const writing = (async () => {
      for (let i = 0; i < 1000; i++) await writer.write(CHUNK);
    })();
    await expect(writing).rejects.toMatchObject({ ...unavailable('timeout'), mayHaveHappened: false });
    await writer.abort();
  });

  it('never sends its end before commit', async () => {
    const received: string[] = [];
    const { store } = await against((socket, head) => {
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      received.push(head);
      socket.on('data', bytes => received.push(bytes.toString('latin1')));
    });
    for (const length of [5, undefined]) {
      received.length = 0;
      const writer = await store.create(KEY, length === undefined ? {} : { length });
      await writer.write(Buffer.from('hello'));
      const expected = length === undefined ? '5\r\nhello\r\n' : 'hell';
      await until('the bytes came', () => received.slice(1).join('').length >= expected.length);
      await sleep(20);
      expect(received.slice(1).join('')).toBe(expected);
      await writer.abort();
    }
  });
});

describe('resources', () => {
  const MEGABYTE = 1024 * 1024;
  const flood: Behaviour = socket => {
    const chunk = Buffer.alloc(256 * 1024, 'x');
    socket.write(`HTTP/1.1 200 OK\r\n${INFO}Content-Length: ${1024 * MEGABYTE}\r\n\r\n`);
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', more);
    more();
  };

  it('are all back after 1,000 reads that are left in the middle, in every way', async () => {
    const buffers = new WatchedBuffers();
    const { store, sockets } = await against(flood, { buffers });
    const before = descriptors();
    const leave = async (way: number): Promise<void> => {
      const reader = await store.open(KEY);
      const controller = new AbortController();
      let chunks = 0;
      const sink: Sink = () => {
        chunks += 1;
        if (chunks < 2) return undefined;
        if (way % 4 === 1) throw new Error('left');
        if (way % 4 === 2) return Promise.reject(new Error('left'));
        controller.abort(new Error('left'));
        return sleep(2);
      };
      if (way % 4 !== 0) {
        await expect(reader?.copyTo(sink, undefined, { signal: controller.signal })).rejects.toThrow('left');
      }
      await reader?.close();
    };
    for (let round = 0; round < 50; round++) {
      await Promise.all(Array.from({ length: 20 }, (_, way) => leave(way)));
    }
    await until('nothing is left', () => buffers.out.size + sockets.size === 0 && descriptors() <= before + 2);
  });

  it('are back when an object has been read whose end came alone, on the connections that are kept', async () => {
    const answer = Buffer.from(whole('x'.repeat(100_000)));
    const buffers = new WatchedBuffers();
    const { store } = await against(socket => sendInPieces(socket, answer, [1000, answer.length - 1000]), { buffers });
    for (let round = 0; round < 3; round++) expect(await readWhole(store)).toHaveLength(100_000);
    expect(buffers.out.size).toBe(0);
    expect(buffers.taken).toBe(3);
  });

  it('stay bounded while sinks are slow', async () => {
    const { store } = await against(flood);
    const readers = await Promise.all(Array.from({ length: 50 }, () => store.open(KEY)));
    const before = process.memoryUsage().rss;
    let [taken, grownMegabytes] = [0, 0];
    let isOver = false;
    const sink: Sink = chunk => {
      if (isOver) throw new Error('over');
      taken += chunk.length;
      return sleep(10);
    };
    const copies = readers.map(reader => reader?.copyTo(sink));
    await until('much has been taken', () => {
      grownMegabytes = Math.max(grownMegabytes, (process.memoryUsage().rss - before) / MEGABYTE);
      return taken > 100 * MEGABYTE;
    });
    isOver = true;
    await Promise.allSettled(copies.map(copy => Promise.resolve(copy)));
    // The test's own server, in the same process, is most of it.
    expect(grownMegabytes).toBeLessThan(120);
  });
});
