import type { MetadataStore, Redundancy } from '#metadata';
import type { Logger } from '#telemetry';
import type { BlobStore } from '../blobs/blob-store.js';
import type { BucketRecords } from './bucket-records.js';
import type { ReachCrashPoint } from './crash-points.js';

/** What the operations on versions work with. */
export interface VersionPorts {
  metadata: MetadataStore;
  blobs: BlobStore;
  buckets: BucketRecords;
  /** What the BlobStore makes of the redundancy that a bucket asks for: blobs are recognised by it. */
  redundancyFor: (asked: Redundancy, sizeBytes: number) => Redundancy;
  reach: ReachCrashPoint;
  logger: Logger;
}
