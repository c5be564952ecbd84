import { crc32c } from '@node-rs/crc32';
import { GranaryError } from '#contracts';
import type { Sink } from '#storage';

/**
 * Passes a whole object on, but its last chunk only if all the bytes have the checksum: what was
 * damaged on the way between servers never reaches the client as a complete answer.
 */
export function verifyRelayed(sink: Sink, sizeBytes: number, expectedCrc32c: number): Sink {
  let remainingBytes = sizeBytes;
  let checksum = 0;
  return chunk => {
    remainingBytes -= chunk.length;
    checksum = crc32c(chunk, checksum);
    if (remainingBytes <= 0 && checksum !== expectedCrc32c >>> 0) {
      throw new GranaryError('object-damaged', 'The object arrived from its data server with other bytes than stored.');
    }
    return sink(chunk);
  };
}
