import type { Blob, NewBlob } from '#metadata';
import type { VersionPorts } from './version-ports.js';

/**
 * The blob that has this content already. One that went with its servers, for good, is marked as lost: what
 * was received is stored anew then, and whoever refers to the content next gets the new blob.
 */
export async function findKnown(
  { metadata, blobs, logger }: Pick<VersionPorts, 'metadata' | 'blobs' | 'logger'>,
  { blake3, size, redundancy }: Pick<NewBlob, 'blake3' | 'size' | 'redundancy'>,
): Promise<Blob | undefined> {
  const known = await metadata.findBlob({ blake3, size, redundancy });
  if (known === undefined || blobs.isThere(known)) return known;
  logger.warn({ blob: known.id }, 'a content was lost with its servers: it is stored anew');
  await metadata.markLost(known.id);
  return undefined;
}
