import { crc32c } from '@node-rs/crc32';
import { GranaryError, type KeyHash, type ObjectName } from '#contracts';
import type { ShardAttributes } from '../shard-store.js';

/**
 * The fixed part of every record (docs/storage-format.md): before and after a record in a pack, and
 * at the end of a large file. Little endian.
 */
export const HEADER_BYTES = 80;
export const ETAG_BYTES = 32;

/** Four letters, so that they are seen in a hex dump. The first of a record, the last of it, and the end of a large file. */
export const MAGIC = { head: fourLetters('GRNh'), tail: fourLetters('GRNt'), file: fourLetters('GRNf') } as const;
export type Magic = (typeof MAGIC)[keyof typeof MAGIC];

export const RECORD_TYPES = {
  /** An object, with its bytes. */
  put: 1,
  /** The key was removed. */
  tombstone: 2,
  /** The key was here, and is no business of this store any more. */
  forget: 3,
  /** An object in a file of its own: its absence from the disk means damage, not "not there". */
  file: 4,
  /** No key at all: says that everything before it is durable. */
  mark: 5,
} as const;
export type RecordType = (typeof RECORD_TYPES)[keyof typeof RECORD_TYPES];

export interface RecordHeader {
  type: RecordType;
  nameBytes: number;
  contentTypeBytes: number;
  cacheControlBytes: number;
  contentEncodingBytes: number;
  /** In a pack: everything before this offset was durable before this record was written. */
  syncedOffset: number;
  /** Of the object. The bytes follow only in a `put`. */
  size: number;
  stamp: number;
  modifiedMs: number;
  /** Counts the changes of a store: of two records of one key the greater is the state. */
  sequence: number;
  hash: KeyHash;
  /** CRC-32C of what `encodeMeta` made. */
  metaCrc: number;
  /** CRC-32C of the object's bytes. */
  payloadCrc: number;
}

const VERSION = 1;
const TYPES: ReadonlySet<number> = new Set(Object.values(RECORD_TYPES));

export function encodeHeader(header: RecordHeader, magic: Magic, salt: number, into: Buffer, at: number): void {
  into.writeUInt32LE(magic, at);
  into.writeUInt8(header.type, at + 4);
  into.writeUInt8(VERSION, at + 5);
  into.writeUInt16LE(header.nameBytes, at + 6);
  into.writeUInt16LE(header.contentTypeBytes, at + 8);
  into.writeUInt16LE(header.cacheControlBytes, at + 10);
  into.writeUInt32LE(header.syncedOffset, at + 12);
  writeUint53(into, header.size, at + 16);
  writeUint53(into, header.stamp, at + 24);
  writeUint53(into, header.modifiedMs, at + 32);
  writeUint53(into, header.sequence, at + 40);
  into.write(header.hash, at + 48, 'hex');
  into.writeUInt32LE(header.metaCrc, at + 64);
  into.writeUInt32LE(header.payloadCrc, at + 68);
  into.writeUInt16LE(header.contentEncodingBytes, at + 72);
  into.writeUInt16LE(0, at + 74);
  sealHeader(into, at, salt);
}

/** The header that lies at `from` once more, under another magic. */
export function repeatHeader(from: number, magic: Magic, salt: number, into: Buffer, at: number): void {
  into.copyWithin(at, from, from + HEADER_BYTES);
  into.writeUInt32LE(magic, at);
  sealHeader(into, at, salt);
}

function sealHeader(bytes: Buffer, at: number, salt: number): void {
  bytes.writeUInt32LE(crc32c(bytes.subarray(at, at + 76), salt), at + 76);
}

/** Undefined unless there is an undamaged header of this kind. */
export function decodeHeader(from: Buffer, at: number, magic: Magic, salt: number): RecordHeader | undefined {
  if (at < 0 || at + HEADER_BYTES > from.length || from.readUInt32LE(at) !== magic) return undefined;
  if (from.readUInt32LE(at + 76) !== crc32c(from.subarray(at, at + 76), salt)) return undefined;
  const type = from.readUInt8(at + 4);
  if (!isRecordType(type) || from.readUInt8(at + 5) !== VERSION) return undefined;
  return {
    type,
    nameBytes: from.readUInt16LE(at + 6),
    contentTypeBytes: from.readUInt16LE(at + 8),
    cacheControlBytes: from.readUInt16LE(at + 10),
    contentEncodingBytes: from.readUInt16LE(at + 72),
    syncedOffset: from.readUInt32LE(at + 12),
    size: readUint53(from, at + 16),
    stamp: readUint53(from, at + 24),
    modifiedMs: readUint53(from, at + 32),
    sequence: readUint53(from, at + 40),
    hash: from.toString('hex', at + 48, at + 64) as KeyHash,
    metaCrc: from.readUInt32LE(at + 64),
    payloadCrc: from.readUInt32LE(at + 68),
  };
}

/** What is kept of an object beside its bytes, of variable length. */
export interface RecordMeta {
  etag: Buffer;
  name: ObjectName;
  attributes: ShardAttributes;
}

export function metaBytes(header: RecordHeader): number {
  const { nameBytes, contentTypeBytes, cacheControlBytes, contentEncodingBytes } = header;
  return ETAG_BYTES + nameBytes + contentTypeBytes + cacheControlBytes + contentEncodingBytes;
}

export function encodeMeta({ etag, name, attributes }: RecordMeta) {
  const nameBytes = Buffer.byteLength(name);
  const contentTypeBytes = attributeBytes(attributes.contentType);
  const cacheControlBytes = attributeBytes(attributes.cacheControl);
  const contentEncodingBytes = attributeBytes(attributes.contentEncoding);
  const contentTypeAt = ETAG_BYTES + nameBytes;
  const cacheControlAt = contentTypeAt + contentTypeBytes;
  const contentEncodingAt = cacheControlAt + cacheControlBytes;
  const meta = Buffer.allocUnsafe(contentEncodingAt + contentEncodingBytes);
  etag.copy(meta);
  meta.write(name, ETAG_BYTES);
  if (contentTypeBytes > 0) meta.write(attributes.contentType ?? '', contentTypeAt);
  if (cacheControlBytes > 0) meta.write(attributes.cacheControl ?? '', cacheControlAt);
  if (contentEncodingBytes > 0) meta.write(attributes.contentEncoding ?? '', contentEncodingAt);
  return { meta, nameBytes, contentTypeBytes, cacheControlBytes, contentEncodingBytes, metaCrc: crc32c(meta) };
}

/** Undefined when the bytes are not what they were. */
export function decodeMeta(header: RecordHeader, meta: Buffer): RecordMeta | undefined {
  if (meta.length !== metaBytes(header) || crc32c(meta) !== header.metaCrc) return undefined;
  const nameEnd = ETAG_BYTES + header.nameBytes;
  const contentTypeEnd = nameEnd + header.contentTypeBytes;
  const cacheControlEnd = contentTypeEnd + header.cacheControlBytes;
  const attributes: ShardAttributes = {};
  if (header.contentTypeBytes > 0) attributes.contentType = meta.toString('utf8', nameEnd, contentTypeEnd);
  if (header.cacheControlBytes > 0) attributes.cacheControl = meta.toString('utf8', contentTypeEnd, cacheControlEnd);
  if (header.contentEncodingBytes > 0) attributes.contentEncoding = meta.toString('utf8', cacheControlEnd);
  const name = meta.toString('utf8', ETAG_BYTES, nameEnd) as ObjectName;
  return { etag: meta.subarray(0, ETAG_BYTES), name, attributes };
}

function attributeBytes(attribute: string | undefined): number {
  const bytes = attribute === undefined ? 0 : Buffer.byteLength(attribute);
  if (bytes > 65_535) throw new GranaryError('header-invalid', `An attribute of ${bytes} bytes cannot be kept.`);
  return bytes;
}

function isRecordType(type: number): type is RecordType {
  return TYPES.has(type);
}

export function writeUint53(into: Buffer, value: number, at: number): void {
  into.writeUInt32LE(value >>> 0, at);
  into.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

export function readUint53(from: Buffer, at: number): number {
  return from.readUInt32LE(at + 4) * 2 ** 32 + from.readUInt32LE(at);
}

function fourLetters(letters: string): number {
  return Buffer.from(letters).readUInt32LE();
}
