import { afterEach, describe, expect, it } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { FRAMES_UPGRADE, toObjectName } from '#contracts';
import type { DataServerUnavailable } from '../../data-server-unavailable.js';
import { RemoteStores, type RemoteStoresOptions } from '../../remote/remote-stores.js';
import type { ShardStore, Sink } from '../../shard-store.js';
import { PATIENT } from '../../testing/patient.js';
import { sendInPieces } from '../../testing/send-in-pieces.js';
import { until } from '../../testing/until.js';
import { WatchedBuffers } from '../../testing/watched-buffers.js';
import {
  encodeEmpty,
  encodeFailure,
  encodeFound,
  encodeFoundWith,
  encodeInfo,
  encodeRemoved,
  encodeSum,
} from '../codec/answer-frames.js';
import { FrameParser } from '../codec/frame-parser.js';
import { FRAMES, FRAME_HEADER_BYTES } from '../codec/frame-types.js';
import { dataHeader } from '../codec/frame-writer.js';
import { encodeServerHello, encodeWelcome } from '../codec/handshake-frames.js';

/** Servers that do what they should not. Each is told of every frame but those of the handshake, and of a data frame's beginning. */
type Behaviour = (socket: Socket, type: number, exchange: number) => void;

const KEY = toObjectName('k');
const ETAG = 'ab'.repeat(32);
/** For servers that hang; others have all the time that the machine takes. */
const QUICK: RemoteStoresOptions = { connectMs: 1000, answerMs: 600, probeMs: 400, commitMs: 1800, stallMs: 900 };
const SWITCHING = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${FRAMES_UPGRADE}\r\n\r\n`;
const HELLO = encodeServerHello({ nonce: undefined, serverId: 'ds-1', maxWholeBytes: 65536 });

const infoOf = (size: number) => ({ size, etag: ETAG, stamp: 7, modifiedMs: 1, crc32c: 0 });
const whole = (length: number) => ({ info: infoOf(length), first: 0, length });
const unavailable = (reason: string) => ({ code: 'data-server-unavailable', reason });
const descriptors = (): number => readdirSync('/proc/self/fd').length;

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function listen(onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    onConnection(socket);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise(resolve => server.close(resolve));
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, server, sockets };
}

/** Answers the upgrade and the hello as it should, and leaves the rest to the behaviour. */
function speakFrames(socket: Socket, behave: Behaviour): void {
  const parser = new FrameParser();
  let isUpgraded = false;
  socket.on('data', bytes => {
    if (!isUpgraded) {
      isUpgraded = true;
      return void socket.write(Buffer.concat([Buffer.from(SWITCHING), HELLO]));
    }
    parser.feed(bytes);
    for (let event = parser.next(); event !== 'need-input'; event = parser.next()) {
      if (parser.type === FRAMES.hello) socket.write(encodeWelcome(undefined));
      else behave(socket, parser.type, parser.exchange);
    }
  });
}

async function against(behave: Behaviour, options: RemoteStoresOptions = {}) {
  return { ...(await connectTo(await listen(socket => speakFrames(socket, behave)), options)) };
}

async function connectTo<L extends { address: string }>(listening: L, options: RemoteStoresOptions = {}) {
  const health = { answers: 0, failures: [] as DataServerUnavailable[] };
  const stores = new RemoteStores({
    ...PATIENT,
    health: { onAnswer: () => health.answers++, onFailure: (_, error) => health.failures.push(error) },
    ...options,
  });
  cleanups.push(() => stores.close());
  return { ...listening, health, stores, store: stores.storeAt(listening.address, 'frames') };
}

async function readWhole(store: ShardStore): Promise<string> {
  const reader = await store.open(KEY);
  let text = '';
  await reader?.copyTo(chunk => void (text += chunk.toString('latin1')));
  await reader?.close();
  return text;
}

const hang: Behaviour = () => {};

describe('a data server that answers', () => {
  it.each([200, 40_000, 100_000])('with %d bytes, in pieces cut anywhere, is understood', async length => {
    const body = Buffer.alloc(length, 'abcdefg');
    let cuts: number[] = [];
    const { store } = await against((socket, _type, exchange) => {
      const bytes = encodeFoundWith(whole(length), body, exchange);
      const ascending = cuts.map(cut => cut % bytes.length).toSorted((a, b) => a - b);
      sendInPieces(socket, bytes, ascending);
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: length + 100 }), { maxLength: 5 }), async at => {
        cuts = at;
        expect(await readWhole(store)).toBe(body.toString());
      }),
      { numRuns: 20, verbose: 1 },
    );
  });

  it.each<[string, (exchange: number) => Buffer]>([
    ['another exchange', exchange => encodeEmpty(FRAMES.notFound, exchange + 1)],
    ['with no answer', exchange => encodeEmpty(FRAMES.commit, exchange)],
    ['with garbage', () => Buffer.alloc(100, 'x')],
    ['with more bytes than announced', exchange => encodeFoundWith(whole(10), Buffer.alloc(11), exchange)],
    ['with data alone', exchange => Buffer.concat([dataHeader(1, exchange), Buffer.alloc(1)])],
    ['with bytes behind the end', ex => encodeFoundWith({ info: infoOf(5), first: 3, length: 3 }, Buffer.alloc(3), ex)],
  ])('%s is unavailable', async (_what, answer) => {
    const { store, health } = await against((socket, _type, exchange) => void socket.write(answer(exchange)));
    await expect(store.open(KEY)).rejects.toMatchObject(unavailable('malformed'));
    expect(health.failures).toHaveLength(1);
  });

  it.each([100, 100_000])('with a part of %d bytes of other bytes than it read is not believed', async length => {
    const found = { info: infoOf(length * 2), first: 0, length };
    const { store } = await against((socket, _type, exchange) => {
      socket.write(Buffer.concat([encodeFoundWith(found, Buffer.alloc(length), exchange), encodeSum(1, exchange)]));
    });
    let fed = 0;
    const reading = (async () => {
      const reader = await store.open(KEY, { prefetch: { first: 0, last: length - 1 } });
      await reader?.copyTo(chunk => void (fed += chunk.length), { first: 0, last: length - 1 });
    })();
    await expect(reading).rejects.toMatchObject(unavailable('malformed'));
    expect(fed).toBeLessThan(length);
  });

  it('another question than was asked is unavailable', async () => {
    const { store } = await against(
      (socket, _type, exchange) => void socket.write(encodeRemoved({ existed: true, stamp: 1 }, exchange)),
    );
    await expect(store.open(KEY)).rejects.toMatchObject(unavailable('answer'));
    await expect(store.put(KEY, Buffer.from('x'), {})).rejects.toMatchObject(unavailable('answer'));
  });

  it('with an error in the middle of an object says so to the reader, and is asked again on that connection', async () => {
    let isDamaged = true;
    let connections = 0;
    const { store, server } = await against((socket, _type, exchange) => {
      const part = Buffer.concat([
        encodeFound(whole(200_000), exchange).subarray(0, -FRAME_HEADER_BYTES),
        dataHeader(100_000, exchange),
        Buffer.alloc(100_000, 'x'),
      ]);
      const rest = Buffer.concat([dataHeader(100_000, exchange), Buffer.alloc(100_000, 'y')]);
      socket.write(Buffer.concat([part, isDamaged ? encodeFailure('object-damaged', 'Bad.', exchange) : rest]));
    });
    server.on('connection', () => connections++);
    await expect(readWhole(store)).rejects.toMatchObject({ code: 'object-damaged' });
    isDamaged = false;
    expect(await readWhole(store)).toHaveLength(200_000);
    expect(connections).toBe(1);
  });

  it('and says that it goes away is asked on a new connection', async () => {
    let connections = 0;
    const { store, server, sockets, health } = await against((socket, _type, exchange) => {
      socket.write(Buffer.concat([encodeFoundWith(whole(3), Buffer.from('abc'), exchange)]));
      setImmediate(() => socket.write(encodeEmpty(FRAMES.goAway, 0)));
    });
    server.on('connection', () => connections++);
    for (let round = 1; round <= 3; round++) {
      expect(await readWhole(store)).toBe('abc');
      await until('it was let go', () => sockets.size === 0);
      expect(connections).toBe(round);
    }
    expect(health.failures).toEqual([]);
  });
});

describe('a data server that does not speak frames', () => {
  it.each([
    ['426', 'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n', 'answer'],
    ['400', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n', 'answer'],
    ['503', 'HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n', 'answer'],
    ['401', 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n', 'unauthorized'],
  ])(
    'but answers %s is clearly unavailable, and only a 503 is no reason to ask others first',
    async (status, response, reason) => {
      const { store, health } = await connectTo(
        await listen(socket => socket.on('data', () => socket.write(response))),
      );
      await expect(store.open(KEY)).rejects.toMatchObject({
        ...unavailable(reason),
        message: expect.stringContaining(`status ${status}`),
        mayHaveHappened: false,
      });
      expect([health.answers, health.failures.length]).toEqual(status === '503' ? [1, 0] : [0, 1]);
    },
  );

  it.each([
    ['what is not HTTP', '220 smtp.example ESMTP\r\n\r\n'],
    ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'],
    ['a giant head', `HTTP/1.1 101 Switching Protocols\r\n${'A: b\r\n'.repeat(5000)}`],
    ['another frame than a hello', `${SWITCHING}${encodeEmpty(FRAMES.pong, 0).toString('latin1')}`],
  ])('but %s is unavailable', async (_what, response) => {
    const listening = await listen(socket => socket.on('data', () => socket.write(response, 'latin1')));
    const { store } = await connectTo(listening);
    await expect(store.open(KEY)).rejects.toMatchObject(unavailable('unreachable'));
  });

  it('or is not the one that was expected is not asked anything', async () => {
    const types: number[] = [];
    const { stores, address } = await against((_socket, type) => void types.push(type));
    const store = stores.storeAt(address, 'frames', { serverId: 'ds-2' });
    await expect(store.open(KEY)).rejects.toMatchObject({ message: expect.stringContaining('ds-1 where ds-2') });
    expect(types).toEqual([]);
  });
});

describe('a data server that breaks off', () => {
  it('a body, does so for the reader too, never silently', async () => {
    const { store } = await against((socket, _type, exchange) => {
      socket.end(encodeFoundWith(whole(100_000), Buffer.alloc(100_000), exchange).subarray(0, 60_000));
    });
    await expect(readWhole(store)).rejects.toMatchObject(unavailable('closed'));
  });

  it('before it answers, on a connection that was idle, is asked once more if that is safe', async () => {
    let seen: number[] = [];
    const { store, health } = await against((socket, type, exchange) => {
      if (type === FRAMES.data) return;
      seen.push(type);
      if (seen.length === 2) socket.resetAndDestroy();
      else if (type === FRAMES.put) socket.write(encodeInfo(FRAMES.stored, infoOf(1), exchange));
      else socket.write(encodeFoundWith(whole(3), Buffer.from('abc'), exchange));
    });
    const { get, put } = FRAMES;
    await readWhole(store);
    expect(await readWhole(store)).toBe('abc');
    expect(seen).toEqual([get, get, get]);

    seen = [get];
    await store.put(KEY, Buffer.from('x'), { stamp: 7 });
    expect(seen).toEqual([get, put, put]);
    expect(health.failures).toEqual([]);

    seen = [get];
    const conditional = { stamp: 7, precondition: { ifNoneMatch: '*' } } as const;
    await expect(store.put(KEY, Buffer.from('x'), conditional)).rejects.toMatchObject({
      ...unavailable('closed'),
      mayHaveHappened: true,
    });
    seen = [get, get];
    await readWhole(store);
    seen = [get];
    await expect(store.remove(KEY, {})).rejects.toMatchObject({ ...unavailable('closed'), mayHaveHappened: true });
  });

  it('cannot be reached at all: nothing has happened', async () => {
    const { store, server, health } = await against(hang);
    await new Promise(resolve => server.close(resolve));
    await expect(store.put(KEY, Buffer.from('x'), {})).rejects.toMatchObject({
      ...unavailable('unreachable'),
      mayHaveHappened: false,
    });
    expect(health.failures).toMatchObject([unavailable('unreachable')]);
  });
});

describe('a data server that hangs', () => {
  it('before the connection stands, is given up', async () => {
    const { store } = await connectTo(await listen(() => {}), QUICK);
    await expect(store.open(KEY)).rejects.toMatchObject(unavailable('unreachable'));
  });

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

  it.each([50_000, 100_000])('in the middle of %d bytes fails the reader after the stall deadline', async length => {
    const { store } = await against((socket, _type, exchange) => {
      socket.write(encodeFoundWith(whole(length), Buffer.alloc(length), exchange).subarray(0, 40_000));
    }, QUICK);
    await expect(readWhole(store)).rejects.toMatchObject(unavailable('timeout'));
  });

  it('at commit only because its disk is slow, is waited for', async () => {
    const { store } = await against((socket, type, exchange) => {
      if (type === FRAMES.ping) socket.write(encodeEmpty(FRAMES.pong, exchange));
      if (type === FRAMES.put) setTimeout(() => socket.write(encodeInfo(FRAMES.stored, infoOf(1), exchange)), 1000);
    }, QUICK);
    expect((await store.put(KEY, Buffer.from('x'), {})).etag).toBe(ETAG);
  });

  it('leaves at once when the signal says so', async () => {
    const { store, sockets, health } = await against(hang, { answerMs: 60_000 });
    const controller = new AbortController();
    const opening = store.open(KEY, { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(opening).rejects.toMatchObject({ name: 'AbortError' });
    await until('no connection is left', () => sockets.size === 0);
    expect(health.failures).toEqual([]);
  });
});

describe('an upload', () => {
  const CHUNK = Buffer.alloc(64 * 1024, 'x');

  it('is refused before its first byte, on a connection that is used again', async () => {
    const { store, sockets, health } = await against(
      (socket, _type, exchange) => void socket.write(encodeFailure('storage-full', 'No space.', exchange)),
    );
    for (let round = 0; round < 2; round++) {
      await expect(store.create(KEY, { length: 10 })).rejects.toMatchObject({ code: 'storage-full' });
    }
    expect(health).toMatchObject({ answers: 2, failures: [] });
    expect(sockets.size).toBe(1);
  });

  it.each<[string, (exchange: number) => Buffer, string]>([
    ['stored', exchange => encodeInfo(FRAMES.stored, infoOf(1), exchange), 'data-server-unavailable'],
    ['refused', exchange => encodeFailure('storage-full', 'No space.', exchange), 'storage-full'],
  ])('that is %s before its end fails, and its connection is not used again', async (_what, answer, code) => {
    const { store, sockets } = await against((socket, type, exchange) => {
      if (type !== FRAMES.create) return;
      socket.write(encodeEmpty(FRAMES.proceed, exchange));
      setTimeout(() => socket.write(answer(exchange)), 20);
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
    const { store } = await against((socket, type, exchange) => {
      if (type !== FRAMES.create) return;
      socket.write(encodeEmpty(FRAMES.proceed, exchange));
      socket.pause();
      setTimeout(() => socket.write(encodeFailure('storage-full', 'No space.', exchange)), 50);
    });
    const writer = await store.create(KEY, {});
    await expect(writer.write(Buffer.alloc(32 * 1024 * 1024))).rejects.toMatchObject({ code: 'storage-full' });
    await writer.abort();
  });

  it('that the server does not read stalls, and then fails without having happened', async () => {
    const { store } = await against((socket, type, exchange) => {
      if (type !== FRAMES.create) return;
      socket.write(encodeEmpty(FRAMES.proceed, exchange));
      socket.pause();
    }, QUICK);
    const writer = await store.create(KEY, {});
    const writing = (async () => {
      for (let i = 0; i < 1000; i++) await writer.write(CHUNK);
    })();
    await expect(writing).rejects.toMatchObject({ ...unavailable('timeout'), mayHaveHappened: false });
    await writer.abort();
  });
});

describe('resources', () => {
  const MEGABYTE = 1024 * 1024;
  const flood: Behaviour = (socket, _type, exchange) => {
    const chunk = Buffer.concat([dataHeader(256 * 1024, exchange), Buffer.alloc(256 * 1024, 'x')]);
    socket.write(encodeFound(whole(1024 * MEGABYTE), exchange).subarray(0, -FRAME_HEADER_BYTES));
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', more);
    more();
  };

  it('are all back after 500 reads that are left in the middle, in every way', async () => {
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
    for (let round = 0; round < 25; round++) {
      await Promise.all(Array.from({ length: 20 }, (_, way) => leave(way)));
    }
    await until('nothing is left', () => buffers.out.size + sockets.size === 0 && descriptors() <= before + 2);
  });

  it('are back when an object has been read that came in several frames, each in pieces', async () => {
    const [parts, partBytes] = [8, 48 * 1024];
    const buffers = new WatchedBuffers();
    const { store } = await against(
      (socket, _type, exchange) => {
        const found = encodeFound(whole(parts * partBytes), exchange).subarray(0, -FRAME_HEADER_BYTES);
        const part = Buffer.concat([dataHeader(partBytes, exchange), Buffer.alloc(partBytes, 'x')]);
        // Of each frame its beginning, then all but a short rest, and that with the beginning of the next.
        const cuts = Array.from({ length: parts }, (_, i) => [i * part.length + 1000, (i + 1) * part.length - 1000]);
        sendInPieces(socket, Buffer.concat([found, ...Array<Buffer>(parts).fill(part)]), cuts.flat());
      },
      { buffers },
    );

    expect(await readWhole(store)).toHaveLength(parts * partBytes);
    expect(buffers.out.size).toBe(0);
    expect(buffers.taken).toBeGreaterThan(0);
  });

  it('are kept when little is left of what nobody wants: the connection is used again', async () => {
    let connections = 0;
    const length = 200_000;
    const { store, server } = await against(
      (socket, _type, exchange) => void socket.write(encodeFoundWith(whole(length), Buffer.alloc(length), exchange)),
      // Who comes next waits for it, rather than to open another.
      { maxConnections: 1, waitMs: 20_000 },
    );
    server.on('connection', () => connections++);
    for (let round = 0; round < 4; round++) {
      const reader = await store.open(KEY);
      if (round % 2 === 0)
        await expect(reader?.copyTo(() => Promise.reject(new Error('left')))).rejects.toThrow('left');
      await reader?.close();
    }
    expect(connections).toBe(1);
  });
});
