import type { BlobId } from '#metadata';

/** Larger blobs are not kept: what a request costs beside its bytes is little of what they cost. */
export const MAX_HOT_BLOB_BYTES = 64 * 1024;

/** What an entry takes beside its bytes: the buffer's objects, the id, its place in the map. Measured at 580 to 890. */
export const HOT_BLOB_OVERHEAD_BYTES = 900;

export interface HotBlobStats {
  /** Lookups since the start. One in a cache that keeps nothing is neither. */
  hits: number;
  misses: number;
  /** Everything that is kept, with its estimated overhead. At most the capacity. */
  heldBytes: number;
}

/**
 * The bytes of small blobs that were read lately, verified. A blob never changes and its id is never used
 * again, so an entry cannot become stale, only useless: whether a blob is wanted at all is for the metadata
 * to say, before this is asked.
 *
 * Evicts as SIEVE does (Zhang et al., NSDI 2024): entries stand in the order they came, a hand goes over
 * them from the oldest and takes those that were not hit since it passed last. It stays where it is, so a
 * scan of what is read once makes room for itself and leaves alone what is hit.
 */
export class HotBlobs {
  private hits = 0;
  private misses = 0;
  private heldBytes = 0;
  private readonly entries = new Map<BlobId, HotBlob>();
  /** Undefined when it is to start at the oldest. */
  private hand: Iterator<HotBlob> | undefined;

  /** With 0 nothing is kept. */
  constructor(private readonly capacityBytes: number) {}

  get stats(): HotBlobStats {
    const { hits, misses, heldBytes } = this;
    return { hits, misses, heldBytes };
  }

  /** The whole blob: shared, and not to be changed by anybody. */
  find(id: BlobId): Buffer | undefined {
    if (this.capacityBytes === 0) return undefined;
    const found = this.entries.get(id);
    if (found === undefined) {
      this.misses += 1;
      return undefined;
    }
    this.hits += 1;
    found.wasHit = true;
    return found.bytes;
  }

  /** Keeps a copy of the whole blob, whose bytes were verified, if it is small enough. */
  keep(id: BlobId, bytes: Buffer): void {
    const cost = costOf(bytes);
    if (bytes.length > MAX_HOT_BLOB_BYTES || cost > this.capacityBytes || this.entries.has(id)) return;
    while (this.heldBytes + cost > this.capacityBytes) this.evictOne();
    this.entries.set(id, { id, bytes: copyOf(bytes), wasHit: false });
    this.heldBytes += cost;
  }

  private evictOne(): void {
    for (;;) {
      this.hand ??= this.entries.values();
      const { value: entry, done } = this.hand.next();
      if (done === true) {
        this.hand = undefined;
      } else if (entry.wasHit) {
        entry.wasHit = false;
      } else {
        this.entries.delete(entry.id);
        this.heldBytes -= costOf(entry.bytes);
        return;
      }
    }
  }
}

interface HotBlob {
  readonly id: BlobId;
  readonly bytes: Buffer;
  wasHit: boolean;
}

function costOf({ length }: Buffer): number {
  return length + HOT_BLOB_OVERHEAD_BYTES;
}

/** Of exactly its length: a slice of node's pool, or of a connection's buffer, would keep all of that. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
