import type { Blob, MetadataStore } from '#metadata';
import type { BlobStore } from '../blobs/blob-store.js';

export interface SweepPorts {
  metadata: Pick<MetadataStore, 'freeBlobs' | 'forgetBlobs'>;
  blobs: Pick<BlobStore, 'remove'>;
}

export interface SweepBlobsOptions {
  /** How long nothing must have referred to a blob, by the database's clock. */
  graceMs: number;
  /** So long is a blob left to the sweeper that took it; one whose shards could not all be removed waits as long. */
  leaseMs: number;
  /** Ends the sweep; what it has taken, and not done, is taken again after the lease. */
  signal?: AbortSignal;
  /** Told of blobs that are gone from the servers and from the database. */
  onFreed?: (blobs: readonly Blob[]) => void;
}

/** Blobs that are taken, removed and forgotten together. */
const PAGE = 100;

/**
 * Frees the blobs that nothing refers to: takes them out of the world, removes their shards, and only then
 * forgets them. A blob that may still have a shard somewhere is kept, and comes back after the lease.
 * Resolves to how many were kept so. Whoever sweeps beside it is given other blobs. Rejects as MetadataStore.
 */
export async function sweepBlobs({ metadata, blobs }: SweepPorts, options: SweepBlobsOptions): Promise<number> {
  const { graceMs, leaseMs, signal, onFreed } = options;
  let kept = 0;
  for (let isOver = false; !isOver && signal?.aborted !== true;) {
    const page = await metadata.freeBlobs({ graceMs, leaseMs, limit: PAGE });
    const removed = new Set(await blobs.remove(page, signal && { signal }));
    if (removed.size > 0) await metadata.forgetBlobs([...removed]);
    onFreed?.(page.filter(({ id }) => removed.has(id)));
    kept += page.length - removed.size;
    isOver = page.length < PAGE;
  }
  return kept;
}
