import { GranaryError } from '#contracts';
import type { NewBlob } from '#metadata';
import { contentHash, type Sink } from '#storage';

/** Passes a whole blob on, but its last chunk only if all the bytes have its digest: what is wrong never ends as if it were right. */
export async function verifyWhole(blob: NewBlob, sink: Sink): Promise<Sink> {
  const hasher = await contentHash.hasher();
  let remainingBytes = blob.size;
  return (chunk, more) => {
    remainingBytes -= chunk.length;
    hasher.update(chunk);
    if (remainingBytes <= 0 && hasher.digest().toString('hex') !== blob.blake3) {
      throw new GranaryError('object-damaged', 'The bytes that were read do not have the digest of the content.');
    }
    return sink(chunk, more);
  };
}
