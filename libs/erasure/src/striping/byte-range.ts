/** Bytes from `start` up to, but not including, `end`. Empty when they are equal. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export const EMPTY_RANGE: ByteRange = { start: 0, end: 0 };

export function isEmpty({ start, end }: ByteRange): boolean {
  return end <= start;
}

/** The part of a range that lies in the first `sizeBytes` bytes. */
export function clip({ start, end }: ByteRange, sizeBytes: number): ByteRange {
  return { start: Math.min(start, sizeBytes), end: Math.min(end, sizeBytes) };
}

/** The least range that contains both. */
export function hull(a: ByteRange, b: ByteRange): ByteRange {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  return { start: Math.min(a.start, b.start), end: Math.max(a.end, b.end) };
}

/** RangeError unless the range lies within `sizeBytes`. */
export function checkRange({ start, end }: ByteRange, sizeBytes: number): void {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end <= sizeBytes)
    return;
  throw new RangeError(`${start} … ${end} is not a range of ${sizeBytes} bytes.`);
}
