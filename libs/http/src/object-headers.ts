import { GRANARY_HEADERS, REQUEST_ID_HEADER } from '#contracts';
import { ATTRIBUTE_HEADERS } from '#storage';
import { dispositionOf } from './content-disposition.js';
import { formatHttpDate } from './http-date.js';
import type { ObjectInfo } from './object-store.js';
import { pushUserMetadata } from './user-metadata.js';

export const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

/** Types that a browser shows without running anything of theirs. Everything else is offered as a download. */
const SHOWN_INLINE =
  /^(?:(?:image\/(?!svg)|audio\/|video\/|font\/)[a-z0-9.+-]+|text\/(?:plain|css|csv|markdown)|application\/(?:json|pdf|octet-stream))[ \t]*(?:;|$)/i;

/**
 * The headers that describe an object, as writeHead takes them. An object never runs as a page of this
 * origin: nosniff, a sandboxing policy, and `attachment` for whatever a browser might execute, whatever
 * disposition was stored with it.
 */
export function objectHeaders(info: ObjectInfo, requestId: string, options: { tellGranary: boolean }): string[] {
  const contentType = info.contentType ?? DEFAULT_CONTENT_TYPE;
  const headers = validatorHeaders(info);
  headers.push('Accept-Ranges', 'bytes', 'X-Content-Type-Options', 'nosniff');
  headers.push('Content-Security-Policy', "default-src 'none'; sandbox", REQUEST_ID_HEADER, requestId);
  const disposition = dispositionOf(info.contentDisposition, SHOWN_INLINE.test(contentType));
  if (disposition !== undefined) headers.push('Content-Disposition', disposition);
  if (info.contentEncoding !== undefined) headers.push(ATTRIBUTE_HEADERS.contentEncoding, info.contentEncoding);
  if (info.contentLanguage !== undefined) headers.push('Content-Language', info.contentLanguage);
  if (info.digests !== undefined) pushDigests(headers, info.digests);
  if (info.userMetadata !== undefined) pushUserMetadata(headers, info.userMetadata);
  if (options.tellGranary) pushGranaryHeaders(headers, info);
  return headers;
}

/** Those of a 304 too (RFC 9110 §15.4.5). */
export function validatorHeaders(info: ObjectInfo): string[] {
  const headers: string[] = [];
  if (info.etag !== undefined) headers.push('ETag', `"${info.etag}"`);
  // RFC 9110 §8.8.2.1: never later than the response, however the clock of the writing server stood.
  if (info.modifiedMs !== undefined) {
    headers.push('Last-Modified', formatHttpDate(Math.min(info.modifiedMs, Date.now())));
  }
  if (info.cacheControl !== undefined) headers.push('Cache-Control', info.cacheControl);
  if (info.expires !== undefined) headers.push('Expires', info.expires);
  if (info.version !== undefined) headers.push(GRANARY_HEADERS.version, info.version);
  return headers;
}

/** RFC 9530 §3: of the whole object, whatever range is answered. */
const TOLD_DIGESTS = ['sha-256', 'sha-512'] as const;

function pushDigests(headers: string[], digests: Readonly<Record<string, string>>): void {
  const told = TOLD_DIGESTS.flatMap(algorithm => {
    const hex = digests[algorithm];
    return hex === undefined ? [] : [`${algorithm}=:${Buffer.from(hex, 'hex').toString('base64')}:`];
  });
  if (told.length > 0) headers.push('Repr-Digest', told.join(', '));
}

/** What our servers tell each other of an object beyond the standard. */
export function pushGranaryHeaders(headers: string[], info: ObjectInfo): void {
  if (info.stamp !== undefined) headers.push(GRANARY_HEADERS.stamp, String(info.stamp));
  if (info.crc32c !== undefined) {
    headers.push(GRANARY_HEADERS.checksum, (info.crc32c >>> 0).toString(16).padStart(8, '0'));
  }
  if (info.modifiedMs !== undefined) headers.push(GRANARY_HEADERS.modifiedMs, String(info.modifiedMs));
}
