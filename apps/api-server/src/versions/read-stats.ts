import type { StatsBody, SumsBody } from '#contracts';
import type { BucketStats, MetadataStore } from '#metadata';

type Sums = Omit<BucketStats, 'bucket'>;

const NOTHING: Sums = {
  objects: 0,
  versions: 0,
  deleteMarkers: 0,
  logicalBytes: 0,
  blobs: 0,
  blobBytes: 0,
  storedBytes: 0,
  deduplicatedBytes: 0,
  unreferencedBytes: 0,
};

/** What is stored and what that takes, of each bucket and of the cluster. */
export async function readStats(metadata: Pick<MetadataStore, 'stats'>): Promise<StatsBody> {
  const { buckets, queuedRepairs } = await metadata.stats();
  return {
    buckets: buckets.map(({ bucket, ...sums }) => ({ bucket, ...withCosts(sums) })),
    total: withCosts(buckets.reduce(add, NOTHING)),
    queuedRepairs,
  };
}

function withCosts({ deduplicatedBytes, ...sums }: Sums): SumsBody {
  return {
    ...sums,
    deduplicationSavedBytes: deduplicatedBytes,
    redundancyCostBytes: sums.storedBytes - sums.blobBytes,
  };
}

function add(total: Sums, more: Sums): Sums {
  return {
    objects: total.objects + more.objects,
    versions: total.versions + more.versions,
    deleteMarkers: total.deleteMarkers + more.deleteMarkers,
    logicalBytes: total.logicalBytes + more.logicalBytes,
    blobs: total.blobs + more.blobs,
    blobBytes: total.blobBytes + more.blobBytes,
    storedBytes: total.storedBytes + more.storedBytes,
    deduplicatedBytes: total.deduplicatedBytes + more.deduplicatedBytes,
    unreferencedBytes: total.unreferencedBytes + more.unreferencedBytes,
  };
}
