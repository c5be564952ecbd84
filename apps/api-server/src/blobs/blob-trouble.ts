import type { BlobId, ServerId, ShardPosition } from '#metadata';

/**
 * What reading found out. The layout that it was read with may be out of date: before anything is made
 * of a report, the blob is to be looked up again, and the shard must still be where it was missed.
 */
export type BlobTrouble =
  | { kind: 'shard-damaged' | 'shard-missing'; position: ShardPosition; server: ServerId }
  /** Fewer shards of a segment are left than are needed, and none of the others is merely out of reach. */
  | { kind: 'blob-lost'; blobId: BlobId; segment: number };

/** Must return at once and never throw. */
export type ReportTrouble = (trouble: BlobTrouble) => void;
