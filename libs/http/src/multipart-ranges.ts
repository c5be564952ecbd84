import { randomBytes } from 'node:crypto';
import type { ByteRange } from '#storage';
import { contentRange } from './ranges.js';

export interface MultipartRanges {
  contentType: string;
  lengthBytes: number;
  parts: readonly { head: Buffer; range: ByteRange }[];
  tail: Buffer;
}

/** The frame of a multipart/byteranges answer (RFC 9110 §14.6): everything but the object's bytes. */
export function multipartRanges(ranges: readonly ByteRange[], size: number, contentType: string): MultipartRanges {
  const boundary = `granary-${randomBytes(12).toString('hex')}`;
  const parts = ranges.map((range, index) => ({
    head: Buffer.from(
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${contentType}\r\nContent-Range: ${contentRange(range, size)}\r\n\r\n`,
      'latin1',
    ),
    range,
  }));
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1');
  const lengthBytes = parts.reduce(
    (sum, { head, range }) => sum + head.length + range.last - range.first + 1,
    tail.length,
  );
  return { contentType: `multipart/byteranges; boundary=${boundary}`, lengthBytes, parts, tail };
}
