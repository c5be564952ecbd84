import { GRANARY_HEADERS, parseStamp } from '#contracts';
import type {
  ByteRange,
  ExpectedDigests,
  Precondition,
  PutOptions,
  RangeSpec,
  ShardAttributes,
  ShardInfo,
} from '../shard-store.js';
import { ATTRIBUTE_HEADERS } from '../attributes.js';
import type { Field } from './data-server-client.js';
import { DataServerUnavailable } from '../data-server-unavailable.js';
import type { Response } from './http-connection.js';

/** What a data server sends where no type was kept. */
const UNTYPED = 'application/octet-stream';

export function putFields({ attributes, expected, precondition, stamp, move }: PutOptions): Field[] {
  const fields = [...preconditionFields(precondition), ...digestFields(expected), ...stampFields(stamp)];
  if (attributes?.contentType !== undefined) fields.push([ATTRIBUTE_HEADERS.contentType, attributes.contentType]);
  if (attributes?.cacheControl !== undefined) fields.push([ATTRIBUTE_HEADERS.cacheControl, attributes.cacheControl]);
  if (attributes?.contentEncoding !== undefined) {
    fields.push([ATTRIBUTE_HEADERS.contentEncoding, attributes.contentEncoding]);
  }
  if (move !== undefined) fields.push([GRANARY_HEADERS.move, String(move.modifiedMs)]);
  return fields;
}

export function preconditionFields({ ifMatch, ifNoneMatch }: Precondition = {}): Field[] {
  const fields: Field[] = [];
  // No tag at all is a condition that cannot hold (weak tags never match); no object has the empty tag.
  if (ifMatch !== undefined) fields.push(['If-Match', ifMatch.length === 0 ? '""' : tagList(ifMatch)]);
  if (ifNoneMatch !== undefined && ifNoneMatch.length > 0) fields.push(['If-None-Match', tagList(ifNoneMatch)]);
  return fields;
}

function tagList(tags: '*' | readonly string[]): string {
  return tags === '*' ? '*' : tags.map(tag => `"${tag}"`).join(', ');
}

export function stampFields(stamp: number | undefined): Field[] {
  return stamp === undefined ? [] : [[GRANARY_HEADERS.stamp, String(stamp)]];
}

/** RFC 9530 and RFC 1864. */
export function digestFields({ sha256, sha512, md5 }: ExpectedDigests = {}): Field[] {
  const members: string[] = [];
  if (sha256 !== undefined) members.push(`sha-256=:${sha256.toString('base64')}:`);
  if (sha512 !== undefined) members.push(`sha-512=:${sha512.toString('base64')}:`);
  const fields: Field[] = [];
  if (members.length > 0) fields.push(['Content-Digest', members.join(', ')]);
  if (md5 !== undefined) fields.push(['Content-MD5', md5.toString('base64')]);
  return fields;
}

export function rangeField(range: RangeSpec): Field {
  const spec = 'suffixLength' in range ? `-${range.suffixLength}` : `${range.first}-${range.last ?? ''}`;
  return ['Range', `bytes=${spec}`];
}

/** Reads what our data servers say of an object. Throws DataServerUnavailable if they do not. */
export function readInfo<Size extends number | undefined>(
  address: string,
  response: Response,
  size: Size,
  attributes: ShardAttributes,
): ShardInfo & { size: Size } {
  const [, etag] = /^"([0-9a-f]{64})"$/.exec(response.header('etag') ?? '') ?? [];
  const stamp = parseStamp(response.header(GRANARY_HEADERS.stamp));
  const [modifiedMs] = /^\d{1,16}$/.exec(response.header(GRANARY_HEADERS.modifiedMs) ?? '') ?? [];
  const [checksum] = /^[0-9a-f]{8}$/.exec(response.header(GRANARY_HEADERS.checksum) ?? '') ?? [];
  if (etag === undefined || stamp === undefined || modifiedMs === undefined || checksum === undefined) {
    throw new DataServerUnavailable(address, 'malformed', 'did not describe the object that it answered about');
  }
  return { ...attributes, size, etag, stamp, modifiedMs: Number(modifiedMs), crc32c: Number.parseInt(checksum, 16) };
}

export function readAttributes(response: Response): ShardAttributes {
  const contentType = response.header('content-type');
  const cacheControl = response.header('cache-control');
  const contentEncoding = response.header('content-encoding');
  return {
    ...(contentType !== undefined && contentType !== UNTYPED && { contentType }),
    ...(cacheControl !== undefined && { cacheControl }),
    ...(contentEncoding !== undefined && { contentEncoding }),
  };
}

/** Content-Range of a 206 (RFC 9110 §14.4). */
export function readContentRange(response: Response): { range: ByteRange; size: number } | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(response.header('content-range') ?? '');
  if (match === null) return undefined;
  const [first = 0, last = 0, size = 0] = match.slice(1).map(Number);
  return first <= last && last < size ? { range: { first, last }, size } : undefined;
}
