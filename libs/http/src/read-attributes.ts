import type { IncomingHttpHeaders } from 'node:http';
import { GranaryError } from '#contracts';
import { ATTRIBUTE_HEADERS, attributesOf, type ShardAttributes } from '#storage';
import { CONTENT_DISPOSITION } from './content-disposition.js';
import { parseHttpDate } from './http-date.js';
import type { ObjectAttributes } from './object-store.js';
import { readUserMetadata } from './user-metadata.js';

const MAX_ATTRIBUTE_LENGTH = 255;
/** The name of a file may take 255 bytes, and each of them three characters. */
const MAX_DISPOSITION_LENGTH = 1024;

const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";
const MEDIA_TYPE = new RegExp(`^${TOKEN}/${TOKEN}(?:[ \\t]*;[\\t\\x20-\\x7e]*)?$`);
const TOKENS = new RegExp(`^${TOKEN}(?:[ \\t]*,[ \\t]*${TOKEN})*$`);
const LANGUAGE = '[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*';
const LANGUAGES = new RegExp(`^${LANGUAGE}(?:[ \\t]*,[ \\t]*${LANGUAGE})*$`);
const VISIBLE = /^[\t\x20-\x7e]+$/;

/** What is kept of a PUT beside its bytes. Throws `header-invalid`. */
export function readAttributes(headers: IncomingHttpHeaders): ShardAttributes {
  const contentType = readAttribute(ATTRIBUTE_HEADERS.contentType, headers['content-type'], MEDIA_TYPE);
  const cacheControl = readAttribute(ATTRIBUTE_HEADERS.cacheControl, headers['cache-control'], VISIBLE);
  const contentEncoding = readAttribute(ATTRIBUTE_HEADERS.contentEncoding, headers['content-encoding'], TOKENS);
  return attributesOf({ contentType, cacheControl, contentEncoding });
}

/** The same where everything is kept. Throws `user-metadata-too-large` too. */
export function readObjectAttributes(headers: IncomingHttpHeaders): ObjectAttributes {
  const attributes: ObjectAttributes = readAttributes(headers);
  const contentDisposition = readDisposition(headers['content-disposition']);
  if (contentDisposition !== undefined) attributes.contentDisposition = contentDisposition;
  const contentLanguage = readAttribute('Content-Language', headers['content-language']?.toString(), LANGUAGES);
  if (contentLanguage !== undefined) attributes.contentLanguage = contentLanguage;
  const expires = readExpires(headers.expires);
  if (expires !== undefined) attributes.expires = expires;
  const userMetadata = readUserMetadata(headers);
  if (userMetadata !== undefined) attributes.userMetadata = userMetadata;
  return attributes;
}

function readDisposition(value: string | undefined): string | undefined {
  return readAttribute('Content-Disposition', value, CONTENT_DISPOSITION, MAX_DISPOSITION_LENGTH);
}

/** RFC 9111 §5.3: a date, or 0, which is none and means: expired. */
function readExpires(value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (value !== '0' && parseHttpDate(value) === undefined) {
    throw new GranaryError('header-invalid', 'Expires is neither an HTTP date nor 0.');
  }
  return value;
}

function readAttribute(
  name: string,
  value: string | undefined,
  grammar: RegExp,
  maxLength = MAX_ATTRIBUTE_LENGTH,
): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (value.length > maxLength) {
    throw new GranaryError('header-invalid', `${name} has ${value.length} characters; at most ${maxLength}.`);
  }
  if (!grammar.test(value)) throw new GranaryError('header-invalid', `${name} is malformed.`);
  return value;
}
