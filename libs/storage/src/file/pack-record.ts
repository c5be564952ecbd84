import { crc32c } from '@node-rs/crc32';
import type { KeyHash } from '#contracts';
import {
  HEADER_BYTES,
  MAGIC,
  RECORD_TYPES,
  decodeHeader,
  decodeMeta,
  encodeHeader,
  repeatHeader,
  metaBytes,
  type RecordHeader,
  type RecordMeta,
  type RecordType,
} from './record-header.js';

/** A record in a pack: header, meta, payload, zeros up to a multiple of 8, and the header again with another magic. */
export interface PackRecord {
  header: RecordHeader;
  /** Encoded; empty where there is no object. */
  meta: Buffer;
  payload: Buffer;
}

export const RECORD_ALIGNMENT = 8;

/** The length of a record that has nothing but its header and its repetition. */
export const BARE_RECORD_BYTES = 2 * HEADER_BYTES;

export function recordBytes(header: RecordHeader): number {
  return bodyEnd(header) + HEADER_BYTES;
}

/** Where the repeated header begins. */
function bodyEnd(header: RecordHeader): number {
  if (header.type !== RECORD_TYPES.put) return HEADER_BYTES;
  const end = HEADER_BYTES + metaBytes(header) + header.size;
  return Math.ceil(end / RECORD_ALIGNMENT) * RECORD_ALIGNMENT;
}

/** A record without an object in it. */
export function bareRecord(header: Partial<RecordHeader> & { type: RecordType }): PackRecord {
  const nothing = Buffer.alloc(0);
  return {
    meta: nothing,
    payload: nothing,
    header: {
      nameBytes: 0,
      contentTypeBytes: 0,
      cacheControlBytes: 0,
      contentEncodingBytes: 0,
      syncedOffset: 0,
      size: 0,
      stamp: 0,
      modifiedMs: 0,
      sequence: 0,
      hash: '0'.repeat(32) as KeyHash,
      metaCrc: 0,
      payloadCrc: 0,
      ...header,
    },
  };
}

/** Writes the record and returns its length. */
export function encodeRecord({ header, meta, payload }: PackRecord, salt: number, into: Buffer, at: number): number {
  const end = at + bodyEnd(header);
  encodeHeader(header, MAGIC.head, salt, into, at);
  let offset = at + HEADER_BYTES;
  offset += meta.copy(into, offset);
  offset += payload.copy(into, offset);
  into.fill(0, offset, end);
  repeatHeader(at, MAGIC.tail, salt, into, end);
  return end + HEADER_BYTES - at;
}

/** An object as a pack has it. */
export interface PackedObject extends RecordMeta {
  header: RecordHeader;
  payload: Buffer;
}

/** Undefined when any byte that matters is not what it was. */
export function decodeObject(bytes: Buffer, at: number, salt: number): PackedObject | undefined {
  const header = decodeHeader(bytes, at, MAGIC.head, salt);
  if (header?.type !== RECORD_TYPES.put || at + recordBytes(header) > bytes.length) return undefined;
  const payloadAt = at + HEADER_BYTES + metaBytes(header);
  const meta = decodeMeta(header, bytes.subarray(at + HEADER_BYTES, payloadAt));
  const payload = bytes.subarray(payloadAt, payloadAt + header.size);
  if (meta === undefined || crc32c(payload) !== header.payloadCrc) return undefined;
  return { etag: meta.etag, name: meta.name, attributes: meta.attributes, header, payload };
}
