import type { Blake3, BlobId, ServerId, Sha256 } from './ids.js';
import type { Redundancy } from './redundancy.js';

/**
 * Which server holds which shard. Compact, since a large blob has thousands of segments: shard `s` of
 * segment `g` lies at `servers[shards[g * shardsPerSegment + s]]`, or nowhere yet if that entry is NOWHERE.
 */
export interface BlobLayout {
  shardsPerSegment: number;
  servers: readonly ServerId[];
  shards: Uint16Array;
}

/** The entry of a shard that a write left missing, or that was lost. */
export const NOWHERE = 0xffff;

/** What is to be known of a blob before a version may point to it. Its shards are durable already. */
export interface NewBlob {
  id: BlobId;
  /** Bytes. */
  size: number;
  blake3: Blake3;
  /** Where a client declared one. */
  sha256?: Sha256;
  /** As it was written, which for a small object is not its bucket's setting. */
  redundancy: Redundancy;
  segmentSizeBytes: number;
  /** On all disks together, once nothing is missing. */
  storedBytes: number;
  layout: BlobLayout;
}

export interface Blob extends NewBlob {
  createdMs: number;
}

/** One shard of one segment of a blob. */
export interface ShardPosition {
  blobId: BlobId;
  segment: number;
  shard: number;
}

/** One row of servers for each segment; undefined where a shard is missing. */
export function layoutOf(segments: readonly (readonly (ServerId | undefined)[])[]): BlobLayout {
  const shardsPerSegment = segments[0]?.length ?? 0;
  const shards = new Uint16Array(segments.length * shardsPerSegment).fill(NOWHERE);
  const servers: ServerId[] = [];
  const indexes = new Map<ServerId, number>();
  segments.forEach((row, segment) => {
    if (row.length !== shardsPerSegment) throw new TypeError('segments differ in their shards');
    row.forEach((server, shard) => {
      if (server === undefined) return;
      const index = indexes.get(server) ?? servers.push(server) - 1;
      indexes.set(server, index);
      shards[segment * shardsPerSegment + shard] = index;
    });
  });
  return { shardsPerSegment, servers, shards };
}

export function segmentCount(layout: BlobLayout): number {
  return layout.shardsPerSegment === 0 ? 0 : layout.shards.length / layout.shardsPerSegment;
}

/** Undefined when the shard is missing. */
export function serverOf(layout: BlobLayout, segment: number, shard: number): ServerId | undefined {
  const index = layout.shards[segment * layout.shardsPerSegment + shard];
  return index === undefined || index === NOWHERE ? undefined : layout.servers[index];
}

/** The shards that lie nowhere, as positions in `shards`. */
export function missingShards(layout: BlobLayout): number[] {
  return [...layout.shards.entries()].flatMap(([position, server]) => (server === NOWHERE ? [position] : []));
}
