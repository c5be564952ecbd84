import type { IncomingHttpHeaders } from 'node:http';
import { GranaryError } from '#contracts';
import type { Precondition, ShardInfo } from '#storage';
import { parseHttpDate } from './http-date.js';

/** RFC 9110 §13: which requests hold only for some states of an object. All of this is pure. */

type Validators = Pick<ShardInfo, 'etag' | 'modifiedMs'>;

/** What a write demands of the present object. The store decides it, atomically with the write. */
export function writePrecondition(headers: IncomingHttpHeaders): Precondition | undefined {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  return {
    ...(ifMatch !== undefined && { ifMatch: strongTags('If-Match', ifMatch) }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch: weakTags('If-None-Match', ifNoneMatch) }),
  };
}

export function isConditionalRead(headers: IncomingHttpHeaders): boolean {
  return (
    headers['if-none-match'] !== undefined ||
    headers['if-modified-since'] !== undefined ||
    headers['if-match'] !== undefined ||
    headers['if-unmodified-since'] !== undefined
  );
}

/** The order of RFC 9110 §13.2.2 for GET and HEAD; If-Range is apart, since it only decides about the range. */
export function evaluateRead(headers: IncomingHttpHeaders, current: Validators): 'send' | 'not-modified' | 'failed' {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    if (!matches(strongTags('If-Match', ifMatch), current.etag)) return 'failed';
  } else if (isModifiedSince(headers['if-unmodified-since'], current) === true) {
    return 'failed';
  }
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) {
    return matches(weakTags('If-None-Match', ifNoneMatch), current.etag) ? 'not-modified' : 'send';
  }
  return isModifiedSince(headers['if-modified-since'], current) === false ? 'not-modified' : 'send';
}

/**
 * RFC 9110 §13.1.5: whether the range may be answered from the current object. A date of the second that has
 * not passed yet is no strong validator (§8.8.2.2): other bytes may have had it, or get it still.
 */
export function rangeApplies(headers: IncomingHttpHeaders, current: Validators, nowMs = Date.now()): boolean {
  const ifRange = headers['if-range'];
  if (typeof ifRange !== 'string') return true;
  if (ifRange.startsWith('"')) return current.etag !== undefined && ifRange === `"${current.etag}"`;
  const seconds = parseHttpDate(ifRange);
  if (seconds === undefined || current.modifiedMs === undefined) return false;
  return seconds === wholeSeconds(current.modifiedMs) && seconds < wholeSeconds(nowMs);
}

function matches(tags: '*' | readonly string[], etag: string | undefined): boolean {
  return tags === '*' || (etag !== undefined && tags.includes(etag));
}

/** Undefined when the header is not a date (RFC 9110 §13.1.3 has it ignored then) or the object has none. */
function isModifiedSince(header: string | undefined, current: Validators): boolean | undefined {
  const seconds = header === undefined ? undefined : parseHttpDate(header);
  if (seconds === undefined || current.modifiedMs === undefined) return undefined;
  return wholeSeconds(current.modifiedMs) > seconds;
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}

/** If-Match compares strongly: a weak tag matches nothing, and ours are strong. */
function strongTags(header: string, value: string): '*' | readonly string[] {
  const tags = parseTags(header, value);
  return tags === '*' ? tags : tags.filter(tag => !tag.isWeak).map(tag => tag.opaque);
}

function weakTags(header: string, value: string): '*' | readonly string[] {
  const tags = parseTags(header, value);
  return tags === '*' ? tags : tags.map(tag => tag.opaque);
}

interface EntityTag {
  isWeak: boolean;
  opaque: string;
}

/** RFC 9110 §8.8.3, with the empty list elements that §5.6.1 has recipients accept. */
const ENTITY_TAG = /[\t ]*(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)")?[\t ]*(?:,|$)/y;

function parseTags(header: string, value: string): '*' | readonly EntityTag[] {
  if (value.trim() === '*') return '*';
  const tags: EntityTag[] = [];
  ENTITY_TAG.lastIndex = 0;
  while (ENTITY_TAG.lastIndex < value.length) {
    const match = ENTITY_TAG.exec(value);
    if (match === null) throw malformed(header);
    const opaque = match[2];
    if (opaque !== undefined) tags.push({ isWeak: match[1] !== undefined, opaque });
  }
  if (tags.length === 0) throw malformed(header);
  return tags;
}

function malformed(header: string): GranaryError {
  return new GranaryError('header-invalid', `${header} is neither * nor a list of quoted entity tags.`);
}
