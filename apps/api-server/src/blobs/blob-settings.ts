/** How blobs are written and read. Formats do not depend on these: each blob records what it needs. */
export interface BlobSettings {
  /** Contents up to this size are replicated whole rather than erasure-coded. Bytes. */
  smallSegmentBytes: number;
  segmentSizeBytes: number;
  /** Tiny writes that set out together, at most. */
  writesPerRound: number;
  /** How long a small write that has its quorum waits for the copies that are still out. */
  stragglerGraceMs: number;
  /** How long a server may hold up a quorum of others within a segment, beyond the time they take themselves. */
  laggardMs: number;
  /** A read that waits this long for a server turns to another, if another will do. */
  hedgeMs: number;
  /** The longest wait for a server that no other can replace. */
  patienceMs: number;
  /** For a server to begin a shard, before another gets it; if there is none, three times as long. Less than `laggardMs`, so that one that hangs is replaced. */
  beginMs: number;
  /** How long a server that was slow is avoided. */
  avoidSlowMs: number;
  /** For the removal of what a failed write left. */
  cleanUpMs: number;
}

export const DEFAULT_BLOB_SETTINGS: BlobSettings = {
  smallSegmentBytes: 128 * 1024,
  segmentSizeBytes: 64 * 1024 * 1024,
  writesPerRound: 128,
  stragglerGraceMs: 100,
  laggardMs: 1000,
  hedgeMs: 300,
  patienceMs: 10_000,
  beginMs: 800,
  avoidSlowMs: 5000,
  cleanUpMs: 3000,
};
