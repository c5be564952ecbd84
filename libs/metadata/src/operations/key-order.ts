import { MAX_NAME_BYTES } from '#contracts';

/**
 * Keys are ordered by their UTF-8 bytes, which is the order of their code points; JavaScript compares UTF-16
 * units, which is another. No key contains U+0000.
 */

/** The least key that is greater than this one. */
export function successor(key: string): string {
  return `${key}\u0001`;
}

/** The least text that is greater than every text with the prefix; undefined when there is none. */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix, character => character.codePointAt(0) ?? 0);
  while (points.at(-1) === LAST_CODE_POINT) points.pop();
  const last = points.pop();
  return last === undefined
    ? undefined
    : String.fromCodePoint(...points, last + 1 === SURROGATES ? AFTER_SURROGATES : last + 1);
}

/** A text greater than every key with the prefix, and no greater than any other key behind them. */
export function behindAll(prefix: string): string {
  return prefixEnd(prefix) ?? `${prefix}${LONGER_THAN_ANY_KEY}`;
}

export function compareKeys(first: string, second: string): number {
  return Buffer.compare(Buffer.from(first), Buffer.from(second));
}

/** What a listing shows in place of the key, if it has the delimiter after the prefix. */
export function commonPrefix(key: string, prefix: string, delimiter: string): string | undefined {
  const index = key.indexOf(delimiter, prefix.length);
  return index === -1 ? undefined : key.slice(0, index + delimiter.length);
}

const LAST_CODE_POINT = 0x10ffff;
const LONGER_THAN_ANY_KEY = String.fromCodePoint(LAST_CODE_POINT).repeat(MAX_NAME_BYTES / 4 + 1);
const SURROGATES = 0xd800;
const AFTER_SURROGATES = 0xe000;
