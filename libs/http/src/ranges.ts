import type { ByteRange, RangeSpec } from '#storage';

/** A request for more ranges than this is answered with the whole object (RFC 9110 §14.2 allows it). */
export const MAX_RANGES = 32;

/**
 * RFC 9110 §14.1.2. `ignore`: another unit, or too many ranges; the header must be, or may be, treated
 * as if it were not there. `invalid`: it speaks of bytes, but is malformed.
 */
export function parseRange(header: string): readonly RangeSpec[] | 'ignore' | 'invalid' {
  const separator = header.indexOf('=');
  const unit = header.slice(0, Math.max(separator, 0)).trim().toLowerCase();
  if (unit !== 'bytes') return separator === -1 ? 'invalid' : 'ignore';
  const items = header
    .slice(separator + 1)
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '');
  if (items.length > MAX_RANGES) return 'ignore';
  const specs = items.map(parseRangeSpec).filter(spec => spec !== undefined);
  return specs.length === items.length && specs.length > 0 ? specs : 'invalid';
}

function parseRangeSpec(text: string): RangeSpec | undefined {
  const match = /^(\d*)-(\d*)$/.exec(text);
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '') return last === '' ? undefined : { suffixLength: position(last) };
  if (last === '') return { first: position(first) };
  const spec = { first: position(first), last: position(last) };
  return spec.first <= spec.last ? spec : undefined;
}

function position(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}

/**
 * The ranges that lie within an object of this size, in the order asked for; those that overlap or
 * touch become one, so that no answer is ever larger than the object. Empty: not satisfiable.
 */
export function resolveRanges(specs: readonly RangeSpec[], size: number): ByteRange[] {
  return coalesce(specs.map(spec => resolveRange(spec, size)).filter(range => range !== undefined));
}

function resolveRange(spec: RangeSpec, size: number): ByteRange | undefined {
  if ('suffixLength' in spec) {
    const length = Math.min(spec.suffixLength, size);
    return length === 0 ? undefined : { first: size - length, last: size - 1 };
  }
  if (spec.first >= size) return undefined;
  return { first: spec.first, last: Math.min(spec.last ?? size - 1, size - 1) };
}

function coalesce(ranges: readonly ByteRange[]): ByteRange[] {
  const ascending = ranges.map((range, order) => ({ ...range, order })).sort((a, b) => a.first - b.first);
  const merged: typeof ascending = [];
  for (const range of ascending) {
    const previous = merged.at(-1);
    if (previous === undefined || range.first > previous.last + 1) {
      merged.push(range);
    } else {
      previous.last = Math.max(previous.last, range.last);
      previous.order = Math.min(previous.order, range.order);
    }
  }
  return merged.sort((a, b) => a.order - b.order).map(({ first, last }) => ({ first, last }));
}

/** RFC 9110 §14.4. */
export function contentRange(range: ByteRange, size: number): string {
  return `bytes ${range.first}-${range.last}/${size}`;
}

export function unsatisfiedRange(size: number): string {
  return `bytes */${size}`;
}
