import { toObjectName, type ObjectName } from '#contracts';
import type { ExpectedDigests, PutOptions, RangeSpec, RemoveOptions } from '../../shard-store.js';
import { FRAMES, MalformedFrame, SPACES, type Space } from './frame-types.js';
import { frameWriter, type FrameWriter } from './frame-writer.js';
import { readOptions, writeOptions } from './option-fields.js';
import { PayloadReader } from './payload-reader.js';

/** What a client asks (docs/protocol/frames.md); all but `commit` and `ping` begin with the space. */
export interface GetRequest {
  space: Space;
  key: ObjectName;
  range?: RangeSpec | undefined;
  /** Refuse another state of the object than that of this entity tag. */
  ifMatch?: string | undefined;
}

export interface PutRequest {
  space: Space;
  key: ObjectName;
  length: number;
  /** Of the body. */
  crc32c: number;
  options: PutOptions;
}

export interface CreateRequest {
  space: Space;
  key: ObjectName;
  length: number | undefined;
  options: PutOptions;
}

export interface CommitRequest {
  /** Of all the bytes that were sent. */
  crc32c: number;
  expected: ExpectedDigests;
}

const RANGE_KINDS = { whole: 0, from: 1, between: 2, suffix: 3 } as const;
const RANGE_MASK = 3;
const IF_MATCH = 4;
const ETAG_BYTES = 32;
const HAS_LENGTH = 1;

export function encodeGet({ space, key, range, ifMatch }: GetRequest, exchange: number): Buffer {
  const frame = frameWriter.begin(FRAMES.get, exchange).u8(SPACES[space]);
  frame.u8(rangeKind(range) | (ifMatch === undefined ? 0 : IF_MATCH));
  if (range !== undefined) {
    frame.u64('suffixLength' in range ? range.suffixLength : range.first);
    if ('last' in range && range.last !== undefined) frame.u64(range.last);
  }
  if (ifMatch !== undefined) frame.hex(ifMatch, ETAG_BYTES);
  return frame.text(key).end();
}

function rangeKind(range: RangeSpec | undefined): number {
  if (range === undefined) return RANGE_KINDS.whole;
  if ('suffixLength' in range) return RANGE_KINDS.suffix;
  return range.last === undefined ? RANGE_KINDS.from : RANGE_KINDS.between;
}

export function decodeGet(payload: Buffer): GetRequest {
  const reader = new PayloadReader(payload);
  const space = readSpace(reader);
  const flags = reader.u8();
  if (flags > (RANGE_MASK | IF_MATCH)) throw new MalformedFrame(`a get has the flags ${flags}`);
  const range = readRange(flags & RANGE_MASK, reader);
  const ifMatch = (flags & IF_MATCH) === 0 ? undefined : reader.hex(ETAG_BYTES);
  return { space, range, ifMatch, key: readKey(reader) };
}

function readRange(kind: number, reader: PayloadReader): RangeSpec | undefined {
  switch (kind) {
    case RANGE_KINDS.from:
      return { first: reader.u64() };
    case RANGE_KINDS.between:
      return { first: reader.u64(), last: reader.u64() };
    case RANGE_KINDS.suffix:
      return { suffixLength: reader.u64() };
    default:
      return undefined;
  }
}

export function encodeStat(space: Space, key: ObjectName, exchange: number): Buffer {
  return frameWriter.begin(FRAMES.stat, exchange).u8(SPACES[space]).text(key).end();
}

export function decodeStat(payload: Buffer): { space: Space; key: ObjectName } {
  const reader = new PayloadReader(payload);
  return { space: readSpace(reader), key: readKey(reader) };
}

/** With the body behind it. */
export function encodePut(request: PutRequest, body: Buffer, exchange: number): Buffer {
  return writePut(frameWriter.begin(FRAMES.put, exchange), request).endWith(body);
}

export function decodePut(payload: Buffer): PutRequest {
  const reader = new PayloadReader(payload);
  const request = readPut(reader);
  reader.end();
  return request;
}

export function writePut(frame: FrameWriter, { space, key, length, crc32c, options }: PutRequest): FrameWriter {
  frame.u8(SPACES[space]).u32(length).u32(crc32c);
  writeOptions(frame, options);
  return frame.text(key);
}

export function readPut(reader: PayloadReader): PutRequest {
  const [space, length, crc32c] = [readSpace(reader), reader.u32(), reader.u32()];
  const options = readOptions(reader);
  return { space, length, crc32c, options, key: toObjectName(reader.text()) };
}

export function encodeCreate({ space, key, length, options }: CreateRequest, exchange: number): Buffer {
  const frame = frameWriter.begin(FRAMES.create, exchange).u8(SPACES[space]);
  frame.u8(length === undefined ? 0 : HAS_LENGTH).u64(length ?? 0);
  writeOptions(frame, options);
  return frame.text(key).end();
}

export function decodeCreate(payload: Buffer): CreateRequest {
  const reader = new PayloadReader(payload);
  const space = readSpace(reader);
  const hasLength = reader.u8() === HAS_LENGTH;
  const length = reader.u64();
  const options = readOptions(reader);
  return { space, length: hasLength ? length : undefined, options, key: readKey(reader) };
}

export function encodeCommit({ crc32c, expected }: CommitRequest, exchange: number): Buffer {
  const frame = frameWriter.begin(FRAMES.commit, exchange).u32(crc32c);
  writeOptions(frame, { expected });
  return frame.end();
}

export function decodeCommit(payload: Buffer): CommitRequest {
  const reader = new PayloadReader(payload);
  const crc32c = reader.u32();
  const { expected = {} } = readOptions(reader);
  reader.end();
  return { crc32c, expected };
}

export function encodeRemove(space: Space, key: ObjectName, options: RemoveOptions, exchange: number): Buffer {
  const frame = frameWriter.begin(FRAMES.remove, exchange).u8(SPACES[space]);
  writeOptions(frame, options);
  return frame.text(key).end();
}

export function decodeRemove(payload: Buffer): { space: Space; key: ObjectName; options: RemoveOptions } {
  const reader = new PayloadReader(payload);
  const space = readSpace(reader);
  const options = readOptions(reader);
  return { space, options, key: readKey(reader) };
}

export interface ListRequest {
  space: Space;
  /** Tell the names too, where they are still known. */
  names: boolean;
}

export function encodeList({ space, names }: ListRequest, exchange: number): Buffer {
  return frameWriter
    .begin(FRAMES.list, exchange)
    .u8(SPACES[space])
    .u8(names ? 1 : 0)
    .end();
}

export function decodeList(payload: Buffer): ListRequest {
  const reader = new PayloadReader(payload);
  const request = { space: readSpace(reader), names: reader.u8() === 1 };
  reader.end();
  return request;
}

function readSpace(reader: PayloadReader): Space {
  const number = reader.u8();
  if (number === SPACES.objects) return 'objects';
  if (number === SPACES.shards) return 'shards';
  throw new MalformedFrame(`there is no space ${number}`);
}

/** The last field of what has one. Throws `name-invalid` or `name-too-long` too. */
function readKey(reader: PayloadReader): ObjectName {
  const key = reader.text();
  reader.end();
  return toObjectName(key);
}
