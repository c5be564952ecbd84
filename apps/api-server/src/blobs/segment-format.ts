import { hashName, toObjectName, type KeyHash, type ObjectName } from '#contracts';
import { layOutSegment, segmentsOf, shardBytes, type SegmentLayout } from '#erasure';
import { schemeOf, type BlobId, type Redundancy, type RedundancyScheme, type ShardPosition } from '#metadata';

/** The unit of erasure-coded segments (docs/erasure.md), bytes. Part of the format: it is recorded nowhere else. */
export const UNIT_BYTES = 64 * 1024;

/** What a shard is called on its data server. */
export function shardKey({ blobId, segment, shard }: ShardPosition): ObjectName {
  return toObjectName(`${blobId}.${segment}.${shard}`);
}

/** What the servers of a segment are ranked by; those of a round of tiny blobs by its leader's. Nothing that is stored depends on it. */
export function placementKey(blobId: BlobId, segment: number): KeyHash {
  return hashName(toObjectName(`${blobId}.${segment}`));
}

export function layOut(segmentBytes: number, scheme: RedundancyScheme): SegmentLayout {
  return layOutSegment(segmentBytes, scheme.needed, UNIT_BYTES);
}

/** The length of a shard of a segment. */
export function shardSizeOf(scheme: RedundancyScheme, segmentBytes: number, shard: number): number {
  return scheme.kind === 'copies' ? segmentBytes : shardBytes(layOut(segmentBytes, scheme), shard);
}

/** On all disks together. */
export function storedBytesOf(redundancy: Redundancy, sizeBytes: number, segmentSizeBytes: number): number {
  const scheme = schemeOf(redundancy);
  if (scheme.kind === 'copies') return sizeBytes * scheme.shards;
  let parityBytes = 0;
  for (const { sizeBytes: segmentBytes } of segmentsOf(sizeBytes, segmentSizeBytes)) {
    parityBytes += shardSizeOf(scheme, segmentBytes, scheme.needed) * (scheme.shards - scheme.needed);
  }
  return sizeBytes + parityBytes;
}
