import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { toObjectName } from '#contracts';
import { encodeFailure, encodeFoundWith } from './answer-frames.js';
import { FrameParser } from './frame-parser.js';
import { FRAMES, FRAME_HEADER_BYTES, MAX_DATA_BYTES, MAX_HEAD_BYTES, MalformedFrame } from './frame-types.js';
import { dataHeader } from './frame-writer.js';
import { encodeGet, encodePut } from './request-frames.js';

const KEY = toObjectName('a/b ü');
const INFO = { size: 3000, etag: 'ab'.repeat(32), stamp: 2 ** 52, modifiedMs: 1.7e12, crc32c: 0xfffffff0 };
const BODY = Buffer.alloc(3000, 'body');

interface Seen {
  type: number;
  exchange: number;
  bytes: string;
}

/** What comes out of the parser, with the pieces of data joined, as nothing tells where a read was cut. */
function parse(pieces: readonly Buffer[]): Seen[] {
  const parser = new FrameParser();
  const seen: Seen[] = [];
  for (const piece of pieces) {
    parser.feed(Buffer.from(piece));
    for (let event = parser.next(); event !== 'need-input'; event = parser.next()) {
      const { type, exchange } = parser;
      const bytes = (event === 'data' ? parser.data : parser.payload).toString('latin1');
      const last = seen.at(-1);
      if (event === 'data' && last?.type === FRAMES.data) last.bytes += bytes;
      else seen.push({ type, exchange, bytes });
    }
  }
  return seen;
}

function cut(bytes: Buffer, marks: readonly number[]): Buffer[] {
  const edges = [0, ...marks.toSorted((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

function header(length: number, type: number, flags = 0): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt8(type, 4);
  bytes.writeUInt8(flags, 5);
  return bytes;
}

describe('a stream of frames', () => {
  const put = { space: 'objects', key: KEY, length: BODY.length, crc32c: 7, options: { stamp: 12 } } as const;
  const stream = Buffer.concat([
    encodeGet({ space: 'objects', key: KEY }, 1),
    encodePut(put, BODY, 2),
    encodeFoundWith({ info: INFO, first: 0, length: 3000 }, BODY, 3),
    encodeFailure('storage-full', 'No space.', 4),
    header(0, FRAMES.pong),
  ]);

  it('decodes the same however it is cut', () => {
    const whole = parse([stream]);
    expect(whole.map(({ type }) => type)).toEqual([
      FRAMES.get,
      FRAMES.put,
      FRAMES.data,
      FRAMES.found,
      FRAMES.data,
      FRAMES.error,
      FRAMES.pong,
    ]);
    expect(whole.map(({ exchange }) => exchange)).toEqual([1, 2, 2, 3, 3, 4, 0]);
    expect(whole[2]?.bytes).toBe(BODY.toString());
    fc.assert(
      fc.property(fc.array(fc.nat({ max: stream.length }), { maxLength: 20 }), marks => {
        expect(parse(cut(stream, marks))).toEqual(whole);
      }),
      { verbose: 1 },
    );
    expect(parse(cut(stream, [...stream.keys()]))).toEqual(whole);
  });

  it('of any garbage is refused or waits for more, and holds little of it', () => {
    const garbage = fc.uint8Array({ maxLength: 400 }).map(bytes => Buffer.from(bytes));
    const nearly = fc
      .tuple(fc.nat({ max: stream.length - 1 }), fc.nat({ max: 255 }))
      .map(([at, value]) => Buffer.concat([stream.subarray(0, at), Buffer.from([value]), stream.subarray(at + 1)]));
    fc.assert(
      fc.property(fc.oneof(garbage, nearly), fc.array(fc.nat({ max: 400 })), (bytes, marks) => {
        try {
          const seen = parse(
            cut(
              bytes,
              marks.map(mark => Math.min(mark, bytes.length)),
            ),
          );
          const length = seen.reduce((sum, frame) => sum + frame.bytes.length, 0);
          expect(length).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFrame);
        }
      }),
      { numRuns: 2000, verbose: 1 },
    );
  });

  it.each([
    ['of an unknown type', header(0, 99)],
    ['with flags of a later version', header(0, FRAMES.ping, 1)],
    ['longer than a head may be', header(MAX_HEAD_BYTES + 1, FRAMES.get)],
    ['longer than data may be', header(MAX_DATA_BYTES + 1, FRAMES.data)],
    ['of no data', header(0, FRAMES.data)],
  ])('with a frame %s is refused at its header', (_what, bytes) => {
    expect(() => parse([bytes])).toThrow(MalformedFrame);
    expect(() => parse(cut(bytes, [3]))).toThrow(MalformedFrame);
  });

  it('tells how much of the present data is still to come', () => {
    const parser = new FrameParser();
    parser.feed(Buffer.concat([dataHeader(100, 1), Buffer.alloc(30)]));
    expect(parser.next()).toBe('data');
    expect(parser.dataToReceive).toBe(70);
    parser.passData(70);
    expect(parser.dataToReceive).toBe(0);
    expect(parser.next()).toBe('need-input');
  });
});
