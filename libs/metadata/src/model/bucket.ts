import type { BucketName, CommitId } from './ids.js';
import type { Redundancy } from './redundancy.js';

/**
 * As S3 has them. `enabled`: every PUT makes a version, every DELETE a delete marker. `suspended`: both
 * take the place of the null version, other versions stay. `never`: there is one version at most, `null`.
 * A bucket that once kept versions never goes back to `never`.
 */
export type Versioning = 'enabled' | 'suspended' | 'never';

export interface Bucket {
  name: BucketName;
  versioning: Versioning;
  redundancy: Redundancy;
  /** What the layers above keep with a bucket (policies, lifecycle, tags); opaque here. */
  settings: Readonly<Record<string, string>>;
  createdMs: number;
}

export interface CreateBucketRequest {
  commitId: CommitId;
  name: BucketName;
  versioning: Versioning;
  redundancy: Redundancy;
  settings?: Readonly<Record<string, string>>;
}

/** What is left out stays as it is. Redundancy counts for what is written from now on. */
export interface UpdateBucketRequest {
  commitId: CommitId;
  name: BucketName;
  versioning?: Exclude<Versioning, 'never'>;
  redundancy?: Redundancy;
  settings?: Readonly<Record<string, string>>;
}

export interface DeleteBucketRequest {
  commitId: CommitId;
  name: BucketName;
}
