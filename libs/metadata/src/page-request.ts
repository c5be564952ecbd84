import { GranaryError } from '#contracts';
import type { Cursor, ListObjectsRequest, ListVersionsRequest } from './model/listing.js';
import { MAX_PAGE } from './model/listing.js';
import { sequenceOf } from './model/ids.js';
import { behindAll, commonPrefix, compareKeys, successor } from './operations/key-order.js';
import type { ListValues } from './operations/list-objects.js';
import { NEWEST, type ListVersionsValues } from './operations/list-versions.js';

/** A page is asked for with one row more, which tells whether, and where, it goes on. */
export function objectPageValues(request: ListObjectsRequest): ListValues {
  const { bucket, prefix = '', delimiter = '', after, cursor } = request;
  const from = cursor === undefined ? behind(after, prefix, delimiter) : decodeCursor(cursor, OBJECTS)[0];
  return { bucket, prefix, delimiter, from: greater(from, prefix), limit: pageSize(request.limit) + 1 };
}

export function versionPageValues(request: ListVersionsRequest): ListVersionsValues {
  const { bucket, key, prefix = '', delimiter = '' } = request;
  const [from, before] = versionsFrom(request);
  const base = { bucket, key, prefix, delimiter, limit: pageSize(request.limit) + 1 };
  if (key !== undefined) return { ...base, from: key, before };
  return compareKeys(from, prefix) < 0 ? { ...base, from: prefix, before: NEWEST } : { ...base, from, before };
}

export function objectCursor(from: string): Cursor {
  return encodeCursor([OBJECTS, from]);
}

/** Of one key, the versions older than `before`. */
export function versionCursor(from: string, before = NEWEST): Cursor {
  return encodeCursor([VERSIONS, from, before]);
}

export function numberCursor(number: number): Cursor {
  return encodeCursor([NUMBERS, '', number]);
}

export function numberOfCursor(cursor: Cursor | undefined): number {
  return cursor === undefined ? 0 : decodeCursor(cursor, NUMBERS)[1];
}

/** Throws RangeError, since limits come from our own code. */
export function pageSize(limit = MAX_PAGE): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE)
    throw new RangeError(`a page has 1 to ${MAX_PAGE} entries, not ${limit}`);
  return limit;
}

const OBJECTS = 'o';
const VERSIONS = 'v';
const NUMBERS = 'n';

function versionsFrom({
  cursor,
  after,
  prefix = '',
  delimiter = '',
}: ListVersionsRequest): [from: string, before: number] {
  if (cursor !== undefined) return decodeCursor(cursor, VERSIONS);
  if (after === undefined) return ['', NEWEST];
  const before = after.versionId === undefined ? 0 : (sequenceOf(after.versionId) ?? 0);
  const listedItself = delimiter === '' || commonPrefix(after.key, prefix, delimiter) === undefined;
  if (before > 0 && listedItself && after.key.startsWith(prefix)) return [after.key, before];
  return [behind(after.key, prefix, delimiter), NEWEST];
}

/** The least key behind `after`; behind all of its keys when that is a common prefix. */
function behind(after: string | undefined, prefix: string, delimiter: string): string {
  if (after === undefined) return '';
  const isGroup = delimiter !== '' && after.startsWith(prefix) && commonPrefix(after, prefix, delimiter) === after;
  return isGroup ? behindAll(after) : successor(after);
}

function greater(first: string, second: string): string {
  return compareKeys(first, second) < 0 ? second : first;
}

function encodeCursor(fields: readonly (string | number)[]): Cursor {
  return Buffer.from(JSON.stringify(fields)).toString('base64url') as Cursor;
}

/** Throws `cursor-invalid`. */
function decodeCursor(cursor: Cursor, kind: string): [from: string, before: number] {
  try {
    const fields = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown;
    if (Array.isArray(fields) && fields[0] === kind) {
      const [from, before] = [fields[1] as unknown, (fields[2] ?? NEWEST) as unknown];
      if (typeof from === 'string' && from.isWellFormed() && !from.includes('\0') && Number.isSafeInteger(before)) {
        return [from, before as number];
      }
    }
  } catch {
    // Said below.
  }
  throw new GranaryError('cursor-invalid', 'The cursor was not made by this listing.');
}
