import { createHash } from 'node:crypto';
import { toObjectName, type ObjectName } from '#contracts';
import { layoutOf, type NewBlob } from '../model/blob.js';
import type { Versioning } from '../model/bucket.js';
import { newBlobId, newCommitId, toBlake3, toBucketName, toServerId, type BucketName } from '../model/ids.js';
import { toRedundancy } from '../model/redundancy.js';
import type { CommitPutRequest, CommitPutResult } from '../model/version.js';
import type { MetadataStore } from '../metadata-store.js';

let count = 0;

export function freshName(hint = 'key'): ObjectName {
  count += 1;
  return toObjectName(`${hint}-${count}`);
}

export function name(text: string): ObjectName {
  return toObjectName(text);
}

/** A bucket that no other case uses. */
export async function freshBucket(store: MetadataStore, versioning: Versioning = 'enabled'): Promise<BucketName> {
  count += 1;
  const bucket = toBucketName(`bucket-${count}`);
  await store.createBucket({ commitId: newCommitId(), name: bucket, versioning, redundancy: COPIES });
  return bucket;
}

export const COPIES = toRedundancy('copies:3');
export const SERVERS = ['alpha', 'beta', 'gamma', 'delta'].map(toServerId);
const [A, B, C] = SERVERS;

/** A blob of its own id, with the content that `content` stands for. */
export function newBlob(content: string, overrides: Partial<NewBlob> = {}): NewBlob {
  const size = overrides.size ?? content.length;
  return {
    id: newBlobId(),
    size,
    blake3: toBlake3(createHash('sha256').update(content).digest('hex')),
    redundancy: COPIES,
    segmentSizeBytes: 4 * 1024 * 1024,
    storedBytes: 3 * size,
    layout: layoutOf([[A, B, C]]),
    ...overrides,
  };
}

/** A request as a caller makes it; the entity tag is the content. */
export function putRequest(
  bucket: BucketName,
  key: ObjectName,
  content: string,
  overrides: Partial<CommitPutRequest> = {},
): CommitPutRequest {
  const stored = { kind: 'stored' as const, blob: newBlob(content) };
  return { commitId: newCommitId(), bucket, key, etag: content, content: stored, ...overrides };
}

export function put(
  store: MetadataStore,
  bucket: BucketName,
  key: ObjectName,
  content: string,
  overrides: Partial<CommitPutRequest> = {},
): Promise<CommitPutResult> {
  return store.commitPut(putRequest(bucket, key, content, overrides));
}

/** The entity tag of the current object, `deleted` for a delete marker, undefined when there is nothing. */
export async function current(store: MetadataStore, bucket: BucketName, key: ObjectName): Promise<string | undefined> {
  const version = await store.find({ bucket, key });
  return version?.kind === 'delete-marker' ? 'deleted' : version?.etag;
}

export async function remove(store: MetadataStore, bucket: BucketName, key: ObjectName) {
  return store.deleteObject({ commitId: newCommitId(), bucket, key });
}

export async function bucketStats(store: MetadataStore, bucket: BucketName) {
  const { buckets } = await store.stats();
  const found = buckets.find(stats => stats.bucket === bucket);
  if (found === undefined) throw new Error(`no stats of ${bucket}`);
  return found;
}
