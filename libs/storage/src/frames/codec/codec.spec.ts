import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GranaryError, toObjectName, type KeyHash } from '#contracts';
import {
  EntryBatch,
  decodeEntries,
  decodeFailure,
  decodeFound,
  decodeInfo,
  decodeRemoved,
  decodeSum,
  encodeFailure,
  encodeFound,
  encodeInfo,
  encodeRemoved,
  encodeSum,
} from './answer-frames.js';
import { decodeOutcomes, decodePutAll, encodeOutcomes, encodePutAll } from './batch-frames.js';
import { BATCH_LIMITS, FRAMES, FRAME_HEADER_BYTES, MAX_HEAD_BYTES, MalformedFrame } from './frame-types.js';
import {
  decodeClientHello,
  decodeServerHello,
  decodeWelcome,
  encodeClientHello,
  encodeServerHello,
  encodeWelcome,
} from './handshake-frames.js';
import {
  decodeCommit,
  decodeCreate,
  decodeGet,
  decodeList,
  decodePut,
  decodeRemove,
  decodeStat,
  encodeCommit,
  encodeCreate,
  encodeGet,
  encodeList,
  encodePut,
  encodeRemove,
  encodeStat,
} from './request-frames.js';

const payloadOf = (frame: Buffer): Buffer => frame.subarray(FRAME_HEADER_BYTES);

/** The first of some frames. */
const headOf = (frames: Buffer): Buffer => frames.subarray(0, FRAME_HEADER_BYTES + frames.readUInt32BE(0));

const count = fc.maxSafeNat();
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map(raw => Buffer.from(raw));
const etag = bytes(32).map(raw => raw.toString('hex'));
const key = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 100 })
  .filter(name => !name.includes('\0') && name.isWellFormed())
  .map(toObjectName);
const space = fc.constantFrom('objects' as const, 'shards' as const);
const tags = fc.oneof(fc.constant('*' as const), fc.array(etag, { maxLength: 3 }));
const partial = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { requiredKeys: [] });
const attributes = partial({ contentType: fc.string(), cacheControl: fc.string(), contentEncoding: fc.string() });
const filled = attributes.filter(some => Object.keys(some).length > 0);
const expected = partial({ sha256: bytes(32), sha512: bytes(64), md5: bytes(16) });
const precondition = partial({ ifMatch: tags, ifNoneMatch: tags });
const options = fc.oneof(
  partial({ stamp: count, attributes: filled, precondition }),
  fc.record({ stamp: count, move: fc.record({ modifiedMs: count }) }),
);
const u32 = fc.nat({ max: 0xffffffff });
const range = fc.oneof(
  fc.record({ first: count }),
  fc.record({ first: count, last: count }),
  fc.record({ suffixLength: count }),
);

/** The payload of a stat. */
const named = (name: Buffer) => Buffer.concat([Buffer.from([0, name.length >> 8, name.length & 255]), name]);

/** Requests are encoded by our API servers and decoded by our data servers, and answers the other way: each must come out as it went in. */
describe('requests and answers round trip:', () => {
  it('get', () => {
    fc.assert(
      fc.property(fc.record({ space, key, range: fc.option(range, { nil: undefined }) }), etag, (request, tag) => {
        expect(decodeGet(payloadOf(encodeGet(request, 1)))).toEqual(request);
        expect(decodeGet(payloadOf(encodeGet({ ...request, ifMatch: tag }, 1)))).toEqual({ ...request, ifMatch: tag });
      }),
    );
  });

  it('put, create, commit', () => {
    fc.assert(
      fc.property(fc.record({ space, key, crc32c: u32, options }), expected, count, (request, digests, length) => {
        const withDigests = Object.keys(digests).length > 0 ? { expected: digests } : {};
        const put = { ...request, length: 3, options: { ...request.options, ...withDigests } };
        const frames = encodePut(put, Buffer.from('abc'), 1);
        expect(decodePut(payloadOf(headOf(frames)))).toEqual(put);
        const create = { space: put.space, key: put.key, options: put.options, length };
        expect(decodeCreate(payloadOf(encodeCreate(create, 1)))).toEqual(create);
        const endless = { ...create, length: undefined };
        expect(decodeCreate(payloadOf(encodeCreate(endless, 1)))).toEqual(endless);
        const commit = { crc32c: request.crc32c, expected: digests };
        expect(decodeCommit(payloadOf(encodeCommit(commit, 1)))).toEqual(commit);
      }),
    );
  });

  it('a batch of puts, and what became of each', () => {
    const put = fc.record({ space, key, crc32c: u32, options });
    const body = fc.uint8Array({ maxLength: 20 }).map(raw => Buffer.from(raw));
    fc.assert(
      fc.property(fc.array(fc.tuple(put, body), { maxLength: 9 }), batch => {
        const puts = batch.map(([request, bytes]) => ({ request: { ...request, length: bytes.length }, body: bytes }));
        const frames = encodePutAll(puts, 1);
        const head = headOf(frames);
        expect(decodePutAll(payloadOf(head))).toEqual(puts.map(({ request }) => request));
        const sent = Buffer.concat(puts.map(({ body: bytes }) => bytes));
        expect(payloadOf(frames.subarray(head.length))).toEqual(sent);
      }),
    );
    const info = fc.record({ size: count, etag, stamp: count, modifiedMs: count, crc32c: u32 });
    const failure = fc.record({ code: fc.constant('storage-full' as const), message: fc.string({ maxLength: 50 }) });
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.record({ info }), failure), { maxLength: 9 }), outcomes => {
        const told = outcomes.map(outcome =>
          'info' in outcome
            ? { kind: 'stored', info: outcome.info }
            : { kind: 'error', failure: { code: outcome.code, detail: outcome.message } },
        );
        expect(decodeOutcomes(payloadOf(encodeOutcomes(outcomes, 1)))).toEqual(told);
      }),
    );
  });

  it('of a batch that is full all outcomes fit into a frame', () => {
    const attributes = { contentType: 'x'.repeat(BATCH_LIMITS.fieldBytes / BATCH_LIMITS.puts - 256) };
    const facts = { size: 2 ** 53 - 1, etag: 'f'.repeat(64), stamp: 1, modifiedMs: 1, crc32c: 1 };
    const stored = Array.from({ length: BATCH_LIMITS.puts }, () => ({ info: { ...facts, ...attributes } }));
    const message = 'x'.repeat(10_000);
    const refused = stored.map(() => ({ code: 'data-server-unavailable' as const, message }));
    for (const outcomes of [stored, refused]) {
      expect(encodeOutcomes(outcomes, 1).length).toBeLessThan(FRAME_HEADER_BYTES + MAX_HEAD_BYTES);
    }
  });

  it('stat, remove, list', () => {
    const removal = partial({ stamp: count, precondition, remember: fc.constant(true) });
    fc.assert(
      fc.property(space, key, removal, fc.boolean(), (at, name, how, names) => {
        expect(decodeStat(payloadOf(encodeStat(at, name, 1)))).toEqual({ space: at, key: name });
        const request = { space: at, key: name, options: how };
        expect(decodeRemove(payloadOf(encodeRemove(at, name, how, 1)))).toEqual(request);
        expect(decodeList(payloadOf(encodeList({ space: at, names }, 1)))).toEqual({ space: at, names });
      }),
    );
  });

  it('what is told of objects', () => {
    const info = fc.record({ size: count, etag, stamp: count, modifiedMs: count, crc32c: u32 });
    fc.assert(
      fc.property(info, attributes, ({ size, ...facts }, kept) => {
        const described = { ...kept, ...facts, size };
        expect(decodeInfo(payloadOf(encodeInfo(FRAMES.stored, described, 1)))).toEqual(described);
        const found = { info: described, first: Math.floor(size / 2), length: Math.floor(size / 4) };
        expect(decodeFound(payloadOf(headOf(encodeFound(found, 1))))).toEqual(found);
      }),
    );
  });

  it('the rest', () => {
    expect(decodeRemoved(payloadOf(encodeRemoved({ existed: true, stamp: 9 }, 1)))).toEqual({
      existed: true,
      stamp: 9,
    });
    expect(decodeSum(payloadOf(encodeSum(0xfedcba98, 1)))).toBe(0xfedcba98);
    const failure = { code: 'storage-full', detail: 'No space.' };
    expect(decodeFailure(payloadOf(encodeFailure('storage-full', 'No space.', 1)))).toEqual(failure);
    const nonce = Buffer.alloc(32, 1);
    const mac = Buffer.alloc(32, 2);
    for (const hello of [
      { nonce, serverId: 'ds-1', maxWholeBytes: 65536 },
      { nonce: undefined, serverId: '', maxWholeBytes: 0 },
    ]) {
      expect(decodeServerHello(payloadOf(encodeServerHello(hello)))).toEqual(hello);
    }
    for (const hello of [{ proof: { nonce, mac } }, { proof: undefined }]) {
      expect(decodeClientHello(payloadOf(encodeClientHello(hello)))).toEqual(hello);
    }
    for (const proof of [mac, undefined]) expect(decodeWelcome(payloadOf(encodeWelcome(proof)))).toEqual(proof);
  });

  it('entries, as many as fit into a frame', () => {
    const batch = new EntryBatch();
    const entries = [];
    for (let i = 0; !batch.isFull; i++) {
      const hash = i.toString(16).padStart(32, '0') as KeyHash;
      const name = i % 2 === 0 ? { name: toObjectName('ü'.repeat(512)) } : {};
      entries.push({ hash, stamp: i, removed: i % 3 === 0, ...name });
      batch.add(entries.at(-1) ?? { hash, stamp: 0, removed: false });
    }
    const frame = batch.encode(1);
    expect(frame.length).toBeLessThan(MAX_HEAD_BYTES);
    expect(decodeEntries(payloadOf(frame))).toEqual(entries);
    expect(batch.isEmpty).toBe(true);
  });
});

describe('a payload', () => {
  const decoders = {
    decodeGet,
    decodeStat,
    decodePut,
    decodePutAll,
    decodeOutcomes,
    decodeCreate,
    decodeCommit,
    decodeRemove,
    decodeList,
    decodeFound,
    decodeInfo,
    decodeSum,
    decodeRemoved,
    decodeFailure,
    decodeEntries,
    decodeServerHello,
    decodeClientHello,
    decodeWelcome,
  };

  it.each(Object.entries(decoders))('of garbage is refused by %s in a known way', (_name, decode) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), garbage => {
        try {
          decode(Buffer.from(garbage));
        } catch (error) {
          expect(error instanceof MalformedFrame || error instanceof GranaryError).toBe(true);
        }
      }),
      { numRuns: 500, verbose: 1 },
    );
  });

  it('with a name that is not UTF-8, empty or too long, or with attributes of a later version, is refused', () => {
    expect(() => decodeStat(named(Buffer.from([0xff])))).toThrow(MalformedFrame);
    expect(() => decodeStat(named(Buffer.alloc(0)))).toThrow(GranaryError);
    expect(() => decodeStat(named(Buffer.alloc(1025, 'x')))).toThrow(GranaryError);
    const request = { space: 'objects', key: toObjectName('k'), length: undefined } as const;
    const frame = encodeCreate({ ...request, options: { attributes: { later: 'x' } as object } }, 1);
    expect(() => decodeCreate(payloadOf(frame))).toThrow(MalformedFrame);
  });
});
