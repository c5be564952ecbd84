import { MAX_NAME_BYTES, isErrorCode, type ErrorCode, type KeyHash, type ObjectName } from '#contracts';
import { parseAttributes } from '../../attributes.js';
import type { ListedEntry, RemoveResult, ShardInfo } from '../../shard-store.js';
import { FRAMES, MAX_DATA_BYTES, MalformedFrame, type FrameType } from './frame-types.js';
import { frameWriter, type FrameWriter } from './frame-writer.js';
import { PayloadReader } from './payload-reader.js';

/** What is told of every object in a space of a data server. */
export type SentInfo = ShardInfo & { size: number };

export interface Found {
  info: SentInfo;
  /** The bytes that follow in data frames; of a part, their checksum follows them in a `sum`. */
  first: number;
  length: number;
}

export interface Failure {
  /** Undefined: none that this version knows. */
  code: ErrorCode | undefined;
  detail: string;
}

const ETAG_BYTES = 32;
const HASH_BYTES = 16;
const MAX_DETAIL_LENGTH = 4096;
const ENTRY = { removed: 1, named: 2 } as const;
const ENTRY_BYTES = HASH_BYTES + 8 + 1;
const MAX_NAME_FIELD_BYTES = 2 + MAX_NAME_BYTES;
const BATCH_BYTES = 16 * 1024;

/** With all of the bytes behind it. */
export function encodeFoundWith(found: Found, body: Buffer, exchange: number): Buffer {
  return beginFound(found, exchange).endWith(body);
}

/** With the header of the first data frame behind it, unless there is none. */
export function encodeFound(found: Found, exchange: number): Buffer {
  const frame = beginFound(found, exchange);
  return found.length === 0 ? frame.end() : frame.endBefore(Math.min(found.length, MAX_DATA_BYTES));
}

function beginFound({ info, first, length }: Found, exchange: number): FrameWriter {
  const frame = frameWriter.begin(FRAMES.found, exchange).u64(first).u64(length);
  writeInfo(frame, info);
  return frame;
}

export function encodeInfo(type: FrameType, info: ShardInfo, exchange: number): Buffer {
  const frame = frameWriter.begin(type, exchange);
  writeInfo(frame, info);
  return frame.end();
}

export function encodeEmpty(type: FrameType, exchange: number): Buffer {
  return frameWriter.begin(type, exchange).end();
}

export function encodeSum(crc32c: number, exchange: number): Buffer {
  return frameWriter.begin(FRAMES.sum, exchange).u32(crc32c).end();
}

export function encodeRemoved({ existed, stamp }: RemoveResult, exchange: number): Buffer {
  return frameWriter
    .begin(FRAMES.removed, exchange)
    .u8(existed ? 1 : 0)
    .u64(stamp)
    .end();
}

export function encodeFailure(code: ErrorCode, message: string, exchange: number): Buffer {
  return frameWriter.begin(FRAMES.error, exchange).text(code).text(message.slice(0, MAX_DETAIL_LENGTH)).end();
}

/** Entries for one frame: to be added until `isFull`. */
export class EntryBatch {
  private entries: ListedEntry[] = [];
  private bytes = 0;

  add(entry: ListedEntry): void {
    this.entries.push(entry);
    this.bytes += ENTRY_BYTES + (entry.name === undefined ? 0 : MAX_NAME_FIELD_BYTES);
  }

  get isFull(): boolean {
    return this.bytes >= BATCH_BYTES;
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** The frame of all that was added, which begins the next batch. */
  encode(exchange: number): Buffer {
    const frame = frameWriter.begin(FRAMES.entries, exchange);
    for (const { hash, stamp, removed, name } of this.entries) {
      frame.hex(hash, HASH_BYTES).u64(stamp);
      frame.u8((removed ? ENTRY.removed : 0) | (name === undefined ? 0 : ENTRY.named));
      if (name !== undefined) frame.text(name);
    }
    this.entries = [];
    this.bytes = 0;
    return frame.end();
  }
}

export function writeInfo(
  frame: FrameWriter,
  { size, etag, stamp, modifiedMs, crc32c, ...attributes }: ShardInfo,
): void {
  if (size === undefined || etag === undefined || modifiedMs === undefined || crc32c === undefined) {
    throw new Error('A store of a data server knows all about its objects.');
  }
  frame
    .hex(etag, ETAG_BYTES)
    .u64(size)
    .u64(stamp)
    .u64(modifiedMs)
    .u32(crc32c >>> 0);
  const text = JSON.stringify(attributes);
  frame.text(text === '{}' ? '' : text);
}

export function decodeFound(payload: Buffer): Found {
  const reader = new PayloadReader(payload);
  const [first, length] = [reader.u64(), reader.u64()];
  const info = readInfo(reader);
  reader.end();
  if (first + length > info.size) throw new MalformedFrame('it has bytes behind the end of the object');
  return { info, first, length };
}

export function decodeInfo(payload: Buffer): SentInfo {
  const reader = new PayloadReader(payload);
  const info = readInfo(reader);
  reader.end();
  return info;
}

export function decodeSum(payload: Buffer): number {
  const reader = new PayloadReader(payload);
  const crc32c = reader.u32();
  reader.end();
  return crc32c;
}

export function decodeRemoved(payload: Buffer): RemoveResult {
  const reader = new PayloadReader(payload);
  const result = { existed: reader.u8() === 1, stamp: reader.u64() };
  reader.end();
  return result;
}

export function decodeFailure(payload: Buffer): Failure {
  const reader = new PayloadReader(payload);
  const failure = readFailure(reader);
  reader.end();
  return failure;
}

export function readFailure(reader: PayloadReader): Failure {
  const [code, detail] = [reader.text(), reader.text()];
  return { code: isErrorCode(code) ? code : undefined, detail };
}

export function decodeEntries(payload: Buffer): ListedEntry[] {
  const reader = new PayloadReader(payload);
  const entries: ListedEntry[] = [];
  while (reader.left > 0) {
    const [hash, stamp, flags] = [reader.hex(HASH_BYTES) as KeyHash, reader.u64(), reader.u8()];
    const name = (flags & ENTRY.named) === 0 ? undefined : (reader.text() as ObjectName);
    entries.push({ hash, stamp, removed: (flags & ENTRY.removed) !== 0, ...(name !== undefined && { name }) });
  }
  return entries;
}

export function readInfo(reader: PayloadReader): SentInfo {
  const etag = reader.hex(ETAG_BYTES);
  const [size, stamp, modifiedMs, crc32c] = [reader.u64(), reader.u64(), reader.u64(), reader.u32()];
  const text = reader.text();
  if (text === '') return { size, etag, stamp, modifiedMs, crc32c };
  const attributes = parseAttributes(text);
  if (attributes === undefined) throw new MalformedFrame('the attributes are malformed');
  return { ...attributes, size, etag, stamp, modifiedMs, crc32c };
}
