import { GranaryError } from '#contracts';
import type { Bucket, BucketName, MetadataStore } from '#metadata';

const MAX_AGE_MS = 1000;
const MAX_BUCKETS = 1000;

interface Held {
  record: Promise<Bucket>;
  readMs: number;
}

/**
 * The records of buckets, remembered for a second: so long after a change of a bucket's redundancy may
 * writes still be made as before. Whether the bucket exists is decided by the transaction that commits.
 */
export class BucketRecords {
  readonly #held = new Map<BucketName, Held>();

  constructor(
    private readonly metadata: Pick<MetadataStore, 'findBucket'>,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** Rejects with `bucket-not-found`, and with what the database rejects with; neither is remembered. */
  get(name: BucketName): Promise<Bucket> {
    const held = this.#held.get(name);
    if (held !== undefined && this.nowMs() - held.readMs < MAX_AGE_MS) return held.record;
    const record = this.#read(name);
    if (this.#held.size >= MAX_BUCKETS) this.#held.clear();
    this.#held.set(name, { record, readMs: this.nowMs() });
    record.catch(() => {
      if (this.#held.get(name)?.record === record) this.#held.delete(name);
    });
    return record;
  }

  async #read(name: BucketName): Promise<Bucket> {
    const bucket = await this.metadata.findBucket(name);
    if (bucket === undefined) throw new GranaryError('bucket-not-found', `There is no bucket named "${name}".`);
    return bucket;
  }
}
