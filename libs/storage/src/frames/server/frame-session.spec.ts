import { afterEach, describe, expect, it } from '@jest/globals';
import { createHmac, randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { FRAMES_UPGRADE, GranaryError, ROUTES, toObjectName } from '#contracts';
import { drainServer } from '#http';
import { MemoryShardStore } from '../../memory/index.js';
import { RemoteStores } from '../../remote/remote-stores.js';
import type { ShardReader } from '../../shard-store.js';
import { decodeFailure, encodeEmpty, encodeInfo } from '../codec/answer-frames.js';
import { decodeOutcomes, encodePutAll } from '../codec/batch-frames.js';
import { FrameParser } from '../codec/frame-parser.js';
import { BATCH_LIMITS, FRAMES, FRAME_HEADER_BYTES, MAX_HEAD_BYTES } from '../codec/frame-types.js';
import { dataHeader } from '../codec/frame-writer.js';
import { decodeServerHello, encodeClientHello, encodeWelcome, proofOf } from '../codec/handshake-frames.js';
import { encodeCommit, encodeCreate, encodeGet, encodePut, encodeStat } from '../codec/request-frames.js';
import { detach, readObject } from '../../testing/fixtures.js';
import { PATIENT } from '../../testing/patient.js';
import { until } from '../../testing/until.js';
import { serveFrames } from '../testing/serve-frames.js';
import type { FrameEndpointOptions } from './endpoint-options.js';

/** Clients that do what they should not, on connections of their own. */

const KEY = toObjectName('k');
const OTHER = toObjectName('other');
const BODY = Buffer.from('this is object k');
const UPGRADE = `GET ${ROUTES.frames} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${FRAMES_UPGRADE}\r\n\r\n`;
const CLIENT_HELLO = encodeClientHello({ proof: undefined });
const AUTH_KEY = Buffer.alloc(32, 'secret');
const head = encodePut(
  { space: 'objects', key: OTHER, length: BODY.length, crc32c: crc32c(BODY), options: {} },
  BODY,
  1,
);

const wholePut = (name: string, body: Buffer, length = body.length) => ({
  request: {
    space: 'objects' as const,
    key: toObjectName(name),
    length,
    crc32c: crc32c(body),
    options: {},
  },
  body,
});

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function serve(options: Partial<FrameEndpointOptions> = {}) {
  const store = new MemoryShardStore();
  await store.put(KEY, BODY, {});
  const served = await serveFrames({ spaces: { objects: store }, ...options });
  cleanups.push(() => served.close());
  return { ...served, store };
}

/** A connection on which a test says exactly what it wants, well-formed or not. */
class RawClient {
  readonly frames: { type: number; payload: Buffer }[] = [];
  response = '';
  isClosed = false;
  private readonly parser = new FrameParser();

  private constructor(readonly socket: Socket) {
    socket.on('error', () => {});
    socket.on('close', () => (this.isClosed = true));
    socket.on('data', bytes => this.take(bytes));
    cleanups.push(() => void socket.destroy());
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await new Promise(resolve => socket.once('connect', resolve));
    return new RawClient(socket);
  }

  /** Through the handshake of a server without a secret. */
  static async open(port: number): Promise<RawClient> {
    const client = await RawClient.connect(port);
    client.send(Buffer.from(UPGRADE));
    await client.until(FRAMES.hello);
    client.send(CLIENT_HELLO);
    await client.until(FRAMES.welcome);
    return client;
  }

  send(...parts: Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  get dataBytes(): number {
    return this.frames.reduce((sum, { type, payload }) => sum + (type === FRAMES.data ? payload.length : 0), 0);
  }

  async until(type: number): Promise<Buffer> {
    await this.wait(() => this.frames.some(frame => frame.type === type), `a frame of type ${type}`);
    return this.frames.find(frame => frame.type === type)?.payload ?? Buffer.alloc(0);
  }

  async untilRefused(code: string): Promise<string> {
    const failure = decodeFailure(await this.until(FRAMES.error));
    expect(failure.code).toBe(code);
    await this.untilClosed();
    return failure.detail;
  }

  untilClosed(): Promise<void> {
    return this.wait(() => this.isClosed, 'the end of the connection');
  }

  private take(bytes: Buffer): void {
    let rest = bytes;
    if (!this.response.includes('\r\n\r\n')) {
      this.response += bytes.toString('latin1');
      const end = this.response.indexOf('\r\n\r\n');
      if (end === -1 || !this.response.startsWith('HTTP/1.1 101')) return;
      rest = Buffer.from(this.response.slice(end + 4), 'latin1');
      this.response = this.response.slice(0, end + 4);
    }
    this.parser.feed(rest);
    for (let event = this.parser.next(); event !== 'need-input'; event = this.parser.next()) {
      const payload = event === 'data' ? this.parser.data : this.parser.payload;
      this.frames.push({ type: this.parser.type, payload: Buffer.from(payload) });
    }
  }

  private async wait(holds: () => boolean, what: string): Promise<void> {
    for (let i = 0; i < 2000 && !holds(); i++) await sleep(10);
    if (!holds()) throw new Error(`No ${what}; received ${JSON.stringify(this.frames)} ${this.response}`);
  }
}

async function expectServing(port: number): Promise<void> {
  const client = await RawClient.open(port);
  client.send(encodeGet({ space: 'objects', key: KEY }, 1));
  expect((await client.until(FRAMES.data)).equals(BODY)).toBe(true);
  client.socket.destroy();
}

const ask = async (port: number, request: string): Promise<string> => {
  const client = await RawClient.connect(port);
  client.send(Buffer.from(request));
  await client.untilClosed();
  return client.response;
};

describe('answers to reads that are made in one turn of the event loop', () => {
  it.each([100, 16 * 1024, 64 * 1024])('leave together behind it, those of %d bytes', async bytes => {
    const { store, server, port } = await serve();
    const body = Buffer.alloc(bytes, 'x');
    await store.put(OTHER, body, {});
    const sockets: Socket[] = [];
    server.on('connection', socket => sockets.push(socket));
    const clients: RawClient[] = [];
    for (let i = 0; i < 5; i += 1) clients.push(await RawClient.open(port));

    const together = new EventEmitter();
    const heldBytes: number[] = [];
    const open = store.open.bind(store);
    const copyTo: ShardReader['copyTo'] = async sink => {
      if (together.listenerCount('go') === 4) setImmediate(() => together.emit('go'));
      await once(together, 'go');
      const moving = sink(body);
      heldBytes.push(sockets.reduce((sum, socket) => sum + socket.writableLength, 0));
      await moving;
    };
    store.open = async key => {
      const reader = await open(key);
      return reader && { ...reader, copyTo };
    };
    for (const client of clients) client.send(encodeGet({ space: 'objects', key: OTHER }, 1));
    await until('all of every object', () => clients.every(client => client.dataBytes === bytes));
    expect(heldBytes).toHaveLength(5);
    for (const [index, held] of heldBytes.entries()) expect(held).toBeGreaterThan((index + 1) * bytes);
  });
});

describe('a client that asks for an upgrade', () => {
  it('to what is not spoken here, or with a body, is refused', async () => {
    const { port } = await serve();
    const at = (line: string, headers: string) =>
      ask(port, `${line} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n${headers}\r\n`);
    const later = await at('GET /frames', 'Upgrade: granary-frames/99\r\n');
    expect(later).toMatch(/^HTTP\/1.1 426 /);
    expect(later).toMatch(/\r\nUpgrade: granary-frames\/1\r\n/);
    expect(await at('POST /frames', `Upgrade: ${FRAMES_UPGRADE}\r\n`)).toMatch(/^HTTP\/1.1 400 /);
    expect(await at('GET /frames', `Host: y\r\nUpgrade: ${FRAMES_UPGRADE}\r\n`)).toMatch(/^HTTP\/1.1 400 /);
  });

  it('somewhere else is answered as if it had not', async () => {
    const { port, server } = await serve();
    server.removeAllListeners('request');
    server.on('request', (req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => res.end(`${req.method} ${req.url} ${Buffer.concat(chunks).toString()}`));
    });
    const h2c = 'Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n';
    const client = await RawClient.connect(port);
    client.send(Buffer.from(`PUT /objects/x HTTP/1.1\r\n${h2c}Content-Length: 5\r\n\r\nhe`));
    await sleep(20);
    client.send(Buffer.from('lloGET /objects/y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
    await client.untilClosed();
    expect(client.response).toMatch(/PUT \/objects\/x hello[^]*GET \/objects\/y $/);
  });

  it('before this server may serve, gets 503; requests on a connection that stands are refused one by one', async () => {
    let refusal: GranaryError | undefined = new GranaryError('data-server-unavailable', 'Starting.');
    const { port } = await serve({ refusal: () => refusal });
    expect(await ask(port, UPGRADE)).toMatch(/^HTTP\/1.1 503 /);
    refusal = undefined;
    const client = await RawClient.open(port);
    refusal = new GranaryError('data-server-unavailable', 'Starting.');
    client.send(encodeGet({ space: 'objects', key: KEY }, 1));
    expect(decodeFailure(await client.until(FRAMES.error)).code).toBe('data-server-unavailable');
    refusal = undefined;
    client.send(encodeGet({ space: 'objects', key: KEY }, 2));
    expect((await client.until(FRAMES.data)).equals(BODY)).toBe(true);
  });
});

const frame = (type: number, payload = Buffer.alloc(0), length = payload.length): Buffer => {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(length, 0);
  header[4] = type;
  return Buffer.concat([header, payload]);
};

describe('a client that sends', () => {
  const create = encodeCreate({ space: 'objects', key: OTHER, length: 100, options: {} }, 1);

  it.each<[string, Buffer]>([
    ['garbage', Buffer.alloc(200, 'garbage')],
    ['a frame longer than any may be', frame(FRAMES.get, undefined, MAX_HEAD_BYTES + 1)],
    [
      'a put longer than was announced',
      encodePut({ space: 'objects', key: KEY, length: 65537, crc32c: 0, options: {} }, BODY, 1),
    ],
    ['a put with more than it said', Buffer.concat([head, dataHeader(1, 1), Buffer.alloc(1)])],
    ['a put of other bytes than it summed', Buffer.concat([head.subarray(0, -1), Buffer.from('?')])],
    [
      'a batch of other bytes than it summed',
      Buffer.concat([
        encodePutAll([wholePut('other', BODY), wholePut('b', BODY)], 1).subarray(0, -1),
        Buffer.from('?'),
      ]),
    ],
    ['a batch longer than any may be', encodePutAll([wholePut('other', BODY, BATCH_LIMITS.bytes + 1)], 1)],
    [
      'a batch of more puts than any may have',
      encodePutAll(
        Array.from({ length: BATCH_LIMITS.puts + 1 }, () => wholePut('other', Buffer.alloc(0))),
        1,
      ),
    ],
    ['an unknown space', frame(FRAMES.stat, Buffer.from([9, 0, 1, 107]))],
    ['a request that is cut short', frame(FRAMES.stat, Buffer.from([0, 0, 9, 107]))],
    ['an answer', encodeEmpty(FRAMES.pong, 1)],
    ['data of another request', Buffer.concat([create, dataHeader(9, 2), Buffer.alloc(9)])],
    ['a commit of nothing', encodeCommit({ crc32c: 0, expected: {} }, 1)],
    ['a sign of life of nothing', encodeEmpty(FRAMES.alive, 1)],
    ['a sign of life of another upload', Buffer.concat([create, encodeEmpty(FRAMES.alive, 2)])],
    [
      'a sign of life in a put',
      Buffer.concat([head.subarray(0, -BODY.length - FRAME_HEADER_BYTES), encodeEmpty(FRAMES.alive, 1)]),
    ],
    ['two requests at once', Buffer.concat([create, encodeStat('objects', KEY, 2)])],
    ['a second hello', CLIENT_HELLO],
  ])('%s is refused, closed, and leaves nothing', async (_what, bytes) => {
    const { port, store } = await serve();
    const client = await RawClient.open(port);
    client.send(bytes);
    await client.untilRefused('request-malformed');
    expect([...store.entries()].filter(({ removed }) => !removed).length).toBeLessThanOrEqual(2);
    expect((await store.stat(OTHER))?.crc32c ?? crc32c(BODY)).toBe(crc32c(BODY));
    await expectServing(port);
  });

  it('anything at all brings nobody down', async () => {
    const { port } = await serve();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { maxLength: 4 }),
        fc.constantFrom(...Object.values(FRAMES)),
        async (pieces, type) => {
          const client = await RawClient.open(port);
          client.send(...pieces.map(piece => frame(type, Buffer.from(piece))));
          await sleep(5);
          client.socket.destroy();
        },
      ),
      { numRuns: 60, verbose: 1 },
    );
    await expectServing(port);
  });

  it('half of an object and goes leaves nothing', async () => {
    const { port, store } = await serve();
    let [begun, aborted] = [0, 0];
    const createOriginal = store.create.bind(store);
    store.create = async (key, options) => {
      const writer = await createOriginal(key, options);
      begun += 1;
      return {
        checksTransfers: true,
        write: chunk => writer.write(chunk),
        commit: o => writer.commit(o),
        abort: async () => void (aborted += 1),
      };
    };
    const [put, upload, late] = [await RawClient.open(port), await RawClient.open(port), await RawClient.open(port)];
    put.send(head.subarray(0, -3));
    upload.send(create);
    await upload.until(FRAMES.proceed);
    upload.send(dataHeader(100, 1), Buffer.alloc(60));
    late.send(create);
    await until('two uploads were begun', () => begun === 2);
    await sleep(20);
    for (const client of [put, upload, late]) client.socket.resetAndDestroy();
    await until('both are aborted', () => aborted === 2);
    expect(await store.stat(OTHER)).toBeUndefined();
  });

  it('an upload with another sum than its bytes have stores nothing', async () => {
    const { port, store } = await serve();
    const client = await RawClient.open(port);
    client.send(create);
    await client.until(FRAMES.proceed);
    client.send(dataHeader(100, 1), Buffer.alloc(100), encodeCommit({ crc32c: 1, expected: {} }, 1));
    await client.untilRefused('request-malformed');
    expect(await store.stat(OTHER)).toBeUndefined();
  });

  it('nothing more of an object is refused after the stall time; who sends slowly, or asks nothing, stays', async () => {
    const { port, store } = await serve({ stallTimeoutMs: 1000, idleTimeoutMs: 60_000 });
    const [stalled, slow, idle] = [await RawClient.open(port), await RawClient.open(port), await RawClient.open(port)];
    stalled.send(create);
    slow.send(create);
    await slow.until(FRAMES.proceed);
    stalled.send(dataHeader(100, 1), Buffer.alloc(10));
    slow.send(dataHeader(100, 1));
    for (let i = 0; i < 20; i++) {
      slow.send(Buffer.alloc(5));
      await sleep(75);
    }
    slow.send(encodeCommit({ crc32c: crc32c(Buffer.alloc(100)), expected: {} }, 1));
    await slow.until(FRAMES.stored);
    expect((await store.stat(OTHER))?.size).toBe(100);
    await stalled.untilRefused('request-timeout');
    expect(idle.isClosed).toBe(false);
  });

  it('an upload has its chunks freed as they are stored; what else came with them stays', async () => {
    let [freedBytes, countedBytes] = [0, 0];
    const chunks = {
      count: (bytes: number) => void (countedBytes += bytes),
      free: (chunk: Buffer) => {
        freedBytes += chunk.length;
        detach(chunk);
      },
    };
    const { port, store } = await serve({ chunks });
    const client = await RawClient.open(port);
    const content = randomBytes(1024 * 1024);
    const small = wholePut('behind', Buffer.from('a put in the same packet'));
    for (let round = 1; round <= 3; round += 1) {
      client.send(encodeCreate({ space: 'objects', key: OTHER, length: content.length, options: {} }, 1));
      await client.until(FRAMES.proceed);
      client.send(
        dataHeader(content.length, 1),
        content,
        encodeCommit({ crc32c: crc32c(content), expected: {} }, 1),
        encodePut(small.request, small.body, 2),
      );
      await client.until(FRAMES.stored);
      await until('both are there', async () => (await store.stat(toObjectName('behind'))) !== undefined);
      client.frames.length = 0;
      expect((await readObject(store, OTHER))?.equals(content)).toBe(true);
      expect((await readObject(store, toObjectName('behind')))?.equals(small.body)).toBe(true);
      await store.remove(toObjectName('behind'), {});
    }
    expect(freedBytes).toBeGreaterThan(2 * content.length);
    expect(freedBytes + countedBytes).toBeGreaterThan(3 * content.length);
  });

  it('signs of life is waited for between its frames, though not within one', async () => {
    const { port, store } = await serve({ stallTimeoutMs: 1000 });
    const [patient, mute] = [await RawClient.open(port), await RawClient.open(port)];
    for (const client of [patient, mute]) {
      client.send(create);
      await client.until(FRAMES.proceed);
    }
    mute.send(dataHeader(100, 1), Buffer.alloc(10));
    const signs = async () => {
      for (let i = 0; i < 10; i++) {
        await sleep(120);
        patient.send(encodeEmpty(FRAMES.alive, 1));
      }
    };
    await signs();
    patient.send(dataHeader(50, 1), Buffer.alloc(50));
    await signs();
    patient.send(dataHeader(50, 1), Buffer.alloc(50));
    patient.send(encodeCommit({ crc32c: crc32c(Buffer.alloc(100)), expected: {} }, 1));
    await patient.until(FRAMES.stored);
    expect((await store.stat(OTHER))?.size).toBe(100);
    await mute.untilRefused('request-timeout');
  });

  it('nothing at all is closed after the idle time', async () => {
    const { port } = await serve({ stallTimeoutMs: 100, idleTimeoutMs: 200 });
    await (await RawClient.open(port)).untilClosed();
  });

  it('a request and goes is nobody’s failure', async () => {
    const failures: string[] = [];
    const { port, server, store } = await serve({ onFailure: operation => failures.push(operation) });
    const accepted: Socket[] = [];
    server.on('connection', socket => accepted.push(socket));
    const open = store.open.bind(store);
    let whenCopied: () => void;
    const copied = new Promise<void>(resolve => (whenCopied = resolve));
    store.open = async key => {
      const reader = await open(key);
      if (reader === undefined) return undefined;
      const copyTo: ShardReader['copyTo'] = async (...args) => {
        // As a failed write does; that the connection is closed is told later.
        for (const socket of accepted) socket.destroy();
        await reader.copyTo(...args).finally(() => setImmediate(whenCopied));
      };
      return { info: reader.info, copyTo, close: () => reader.close() };
    };
    const client = await RawClient.open(port);
    await store.put(OTHER, Buffer.alloc(100_000), {});
    client.send(encodeGet({ space: 'objects', key: OTHER }, 1));
    await copied;
    await client.untilClosed();
    expect(failures).toEqual([]);
  });

  it('a request and does not read the answer is cut off after the stall time', async () => {
    const { port, store, server } = await serve({ stallTimeoutMs: 300 });
    await store.put(OTHER, Buffer.alloc(64 * 1024 * 1024), {});
    const client = await RawClient.open(port);
    client.socket.pause();
    client.send(encodeGet({ space: 'objects', key: OTHER }, 1));
    const connections = () => new Promise(resolve => server.getConnections((_error, count) => resolve(count)));
    await until('the server has cut it off', async () => (await connections()) === 0);
    client.socket.resume();
    await client.untilClosed();
    expect(client.frames.reduce((sum, { payload }) => sum + payload.length, 0)).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('a batch of puts', () => {
  it('is begun at once, and each is stored or refused by itself', async () => {
    const observed: [string, number][] = [];
    const { port, store } = await serve({ observe: (operation, status) => observed.push([operation, status]) });
    let [begun, most] = [0, 0];
    const put = store.put.bind(store);
    store.put = async (key, bytes, options) => {
      most = Math.max(most, (begun += 1));
      await sleep(20);
      begun -= 1;
      if (key === OTHER) throw new GranaryError('storage-full', 'No space.');
      return put(key, bytes, options);
    };
    const client = await RawClient.open(port);
    const names = ['a', OTHER, 'b'];
    client.send(
      encodePutAll(
        names.map(name => wholePut(name, Buffer.from(name))),
        1,
      ),
    );
    const outcomes = decodeOutcomes(await client.until(FRAMES.outcomes));
    expect(outcomes).toMatchObject([
      { kind: 'stored', info: { size: 1 } },
      { kind: 'error', failure: { code: 'storage-full', detail: 'No space.' } },
      { kind: 'stored', info: { size: 1 } },
    ]);
    expect(most).toBe(3);
    expect(observed).toEqual([
      ['PUT', 200],
      ['PUT', 507],
      ['PUT', 200],
    ]);
    for (const name of ['a', 'b']) expect(await store.stat(toObjectName(name))).toMatchObject({ size: 1 });
    expect(await store.stat(OTHER)).toBeUndefined();
  });

  it('of nothing is answered with nothing', async () => {
    const { port } = await serve();
    const client = await RawClient.open(port);
    client.send(encodePutAll([], 1));
    expect(decodeOutcomes(await client.until(FRAMES.outcomes))).toEqual([]);
  });
});

describe('a request that comes before the store has put away the one before', () => {
  it('is answered after it', async () => {
    const { port, store } = await serve();
    const open = store.open.bind(store);
    store.open = async key => {
      const reader = await open(key);
      return (
        reader && {
          ...reader,
          copyTo: async (...args) => {
            await reader.copyTo(...args);
            await sleep(50);
          },
        }
      );
    };
    const client = await RawClient.open(port);
    client.send(encodeGet({ space: 'objects', key: KEY }, 1));
    await client.until(FRAMES.data);
    client.send(encodeStat('objects', KEY, 2));
    await client.until(FRAMES.described);
    expect(client.isClosed).toBe(false);
  });
});

describe('draining', () => {
  it('sends idle clients away, and lets what is in progress finish', async () => {
    const { port, server, store } = await serve();
    const [idle, busy] = [await RawClient.open(port), await RawClient.open(port)];
    busy.send(encodeCreate({ space: 'objects', key: OTHER, length: 4, options: {} }, 1));
    await busy.until(FRAMES.proceed);
    const drained = drainServer(server, { graceMs: 2_000, deadlineMs: 20_000 });
    await idle.until(FRAMES.goAway);
    idle.send(encodeGet({ space: 'objects', key: KEY }, 1));
    expect((await idle.until(FRAMES.data)).equals(BODY)).toBe(true);
    await idle.untilClosed();
    expect(busy.isClosed).toBe(false);
    busy.send(
      dataHeader(4, 1),
      Buffer.from('late'),
      encodeCommit({ crc32c: crc32c(Buffer.from('late')), expected: {} }, 1),
    );
    await busy.until(FRAMES.stored);
    await busy.until(FRAMES.goAway);
    await busy.untilClosed();
    expect(await drained).toEqual({ cutRequests: 0 });
    expect((await store.stat(OTHER))?.size).toBe(4);
  });
});

async function challenged(port: number) {
  const client = await RawClient.connect(port);
  client.send(Buffer.from(UPGRADE));
  const { nonce, serverId } = decodeServerHello(await client.until(FRAMES.hello));
  if (nonce === undefined) throw new Error('The server does not challenge.');
  return { client, serverNonce: nonce, serverId };
}

describe('the secret', () => {
  const refusals: string[] = [];
  const withSecret = (authKey: Buffer | undefined) => {
    refusals.length = 0;
    return serve({ authKey, onRefused: (reason, address) => refusals.push(`${address}: ${reason}`) });
  };
  const openWith = (address: string, authKey: Buffer | undefined) => {
    const stores = new RemoteStores({ ...PATIENT, authKey });
    cleanups.push(() => stores.close());
    return stores.storeAt(address, 'frames').open(KEY);
  };
  const unauthorized = { code: 'data-server-unavailable', reason: 'unauthorized', mayHaveHappened: false };

  it('is needed at both sides, and must be the same', async () => {
    const guarded = await withSecret(AUTH_KEY);
    expect((await openWith(guarded.address, AUTH_KEY))?.info.size).toBe(BODY.length);
    await expect(openWith(guarded.address, Buffer.alloc(32, 'wrong'))).rejects.toMatchObject(unauthorized);
    await expect(openWith(guarded.address, undefined)).rejects.toMatchObject(unauthorized);
    expect(refusals).toEqual([expect.stringMatching(/^[:f]*127\.0\.0\.1: the client does not have the secret/)]);
    const open = await withSecret(undefined);
    await expect(openWith(open.address, AUTH_KEY)).rejects.toMatchObject(unauthorized);
  });

  it('is not proven by a transcript of another connection, nor by the server’s own proof', async () => {
    const { port } = await withSecret(AUTH_KEY);
    const clientNonce = Buffer.alloc(32, 7);
    const first = await challenged(port);
    const transcript = { version: 1, serverId: first.serverId, serverNonce: first.serverNonce, clientNonce };
    const hello = encodeClientHello({ proof: { nonce: clientNonce, mac: proofOf('client', AUTH_KEY, transcript) } });
    first.client.send(hello);
    const welcome = await first.client.until(FRAMES.welcome);

    const replayed = await challenged(port);
    expect(replayed.serverNonce.equals(first.serverNonce)).toBe(false);
    replayed.client.send(hello);
    await replayed.client.untilRefused('unauthorized');

    const reflected = await challenged(port);
    reflected.client.send(encodeClientHello({ proof: { nonce: clientNonce, mac: welcome.subarray(1) } }));
    await reflected.client.untilRefused('unauthorized');

    const mirrored = await challenged(port);
    const mirror = { ...transcript, serverNonce: mirrored.serverNonce, clientNonce: mirrored.serverNonce };
    const mac = proofOf('server', AUTH_KEY, mirror);
    mirrored.client.send(encodeClientHello({ proof: { nonce: mirrored.serverNonce, mac } }));
    await mirrored.client.untilRefused('unauthorized');
    expect(refusals).toHaveLength(3);
  });

  it('is the HMAC that the protocol says', () => {
    const nonces = { serverNonce: Buffer.alloc(32, 1), clientNonce: Buffer.alloc(32, 2) };
    const expected = createHmac('sha256', AUTH_KEY)
      .update(
        Buffer.concat([
          Buffer.from('granary-frames/1 client\0'),
          nonces.serverNonce,
          nonces.clientNonce,
          Buffer.from('ds-1'),
        ]),
      )
      .digest('hex');
    expect(proofOf('client', AUTH_KEY, { version: 1, serverId: 'ds-1', ...nonces }).toString('hex')).toBe(expected);
  });

  it.each<[string, Buffer]>([
    ['no proof', CLIENT_HELLO],
    ['garbage', encodeClientHello({ proof: { nonce: Buffer.alloc(32), mac: Buffer.alloc(32) } })],
  ])('with %s is refused and audited', async (_what, bytes) => {
    const { port } = await withSecret(AUTH_KEY);
    const { client } = await challenged(port);
    client.send(bytes);
    await client.untilRefused('unauthorized');
    expect(refusals).toHaveLength(1);
  });

  it.each<[string, Buffer]>([
    ['a request instead', encodeGet({ space: 'objects', key: KEY }, 1)],
    ['a hello that is cut short', Buffer.from([0, 0, 0, 33, FRAMES.hello, 0, 0, 0, 1, ...Buffer.alloc(32)])],
    ['an answer', encodeInfo(FRAMES.stored, { size: 1, etag: 'ab'.repeat(32), stamp: 1, modifiedMs: 1, crc32c: 1 }, 1)],
  ])('with %s is refused before anything is read', async (_what, bytes) => {
    const { port } = await withSecret(AUTH_KEY);
    const { client } = await challenged(port);
    client.send(bytes);
    await client.untilRefused('request-malformed');
    expect(client.frames.map(({ type }) => type)).toEqual([FRAMES.hello, FRAMES.error]);
  });

  it('is waited for no longer than the deadline', async () => {
    const { port } = await serve({ authKey: AUTH_KEY, handshakeTimeoutMs: 2_000 });
    const { client } = await challenged(port);
    client.send(Buffer.from([0, 0]));
    await client.untilRefused('request-timeout');
  });

  it('a server that only pretends to have it is not believed', async () => {
    const { createServer } = await import('node:net');
    const asked: number[] = [];
    const liar = createServer(socket => {
      let turn = 0;
      socket.on('error', () => {});
      socket.on('data', bytes => {
        turn += 1;
        if (turn === 1) {
          const hello = Buffer.from([
            0,
            0,
            0,
            41,
            FRAMES.hello,
            0,
            0,
            0,
            1,
            ...Buffer.alloc(32, 3),
            0,
            1,
            0,
            0,
            0,
            2,
            108,
            49,
          ]);
          hello.writeUInt32BE(hello.length - FRAME_HEADER_BYTES, 0);
          socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${FRAMES_UPGRADE}\r\n\r\n`);
          socket.write(hello);
        } else if (turn === 2) {
          // What the client said, reflected.
          socket.write(encodeWelcome(Buffer.from(bytes.subarray(-32))));
        } else asked.push(bytes.length);
      });
    });
    await new Promise<void>(resolve => liar.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => void liar.close());
    const { port } = liar.address() as { port: number };
    await expect(openWith(`127.0.0.1:${port}`, AUTH_KEY)).rejects.toMatchObject(unauthorized);
    expect(asked).toEqual([]);
  });
});
