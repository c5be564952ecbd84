import { checkRange, type ByteRange } from './byte-range.js';

/** One segment of an object, and what is asked of it. */
export interface SegmentPart {
  /** Counted from 0. */
  readonly segment: number;
  /** Where the segment begins in the object. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** The bytes that are asked for, counted from the segment's start. Never empty. */
  readonly range: ByteRange;
}

/**
 * How many segments an object has: each is of `segmentSizeBytes` but the last, which has the rest.
 * An empty object has none.
 */
export function countSegments(objectBytes: number, segmentSizeBytes: number): number {
  checkSizes(objectBytes, segmentSizeBytes);
  return Math.ceil(objectBytes / segmentSizeBytes);
}

/** The segments that hold a range of an object (all of it unless said otherwise), in order. RangeError for a range outside. */
export function* segmentsOf(
  objectBytes: number,
  segmentSizeBytes: number,
  range: ByteRange = { start: 0, end: objectBytes },
): Generator<SegmentPart> {
  checkSizes(objectBytes, segmentSizeBytes);
  checkRange(range, objectBytes);
  for (let at = range.start; at < range.end;) {
    const segment = Math.floor(at / segmentSizeBytes);
    const offsetBytes = segment * segmentSizeBytes;
    const sizeBytes = Math.min(segmentSizeBytes, objectBytes - offsetBytes);
    const end = Math.min(range.end, offsetBytes + sizeBytes);
    yield { segment, offsetBytes, sizeBytes, range: { start: at - offsetBytes, end: end - offsetBytes } };
    at = end;
  }
}

function checkSizes(objectBytes: number, segmentSizeBytes: number): void {
  if (!Number.isSafeInteger(objectBytes) || objectBytes < 0) {
    throw new RangeError(`An object cannot have ${objectBytes} bytes.`);
  }
  if (!Number.isSafeInteger(segmentSizeBytes) || segmentSizeBytes < 1) {
    throw new RangeError(`Segments cannot have ${segmentSizeBytes} bytes.`);
  }
}
