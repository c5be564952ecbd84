import type { ObjectName } from '#contracts';
import type { ObjectInfo, PutObjectOptions } from '#http';
import { newCommitId, toBlake3, toSha256, type BucketName } from '#metadata';
import { checkDigests, contentHash, type ExpectedDigests } from '#storage';
import type { HashedContent } from '../blobs/blob-store.js';
import { commitExisting, commitStored } from './commit-version.js';
import { refuseEarly } from './find-object.js';
import { findKnown } from './known-blob.js';
import { keptAttributes } from './object-info.js';
import type { VersionPorts } from './version-ports.js';

/**
 * Makes bytes that are in memory the current version. Bytes that are stored already, by what they hash to
 * and not by what was declared, are referred to; should their blob be freed in that moment, they are stored anew.
 */
export async function putVersion(
  ports: VersionPorts,
  bucket: BucketName,
  key: ObjectName,
  bytes: Buffer,
  { attributes, expected, precondition, signal }: PutObjectOptions,
): Promise<ObjectInfo> {
  const { blobs, buckets, redundancyFor, reach } = ports;
  const content = hashed(bytes, expected);
  await refuseEarly(ports, bucket, key, precondition);
  const { redundancy } = await buckets.get(bucket);
  const put = {
    commitId: newCommitId(),
    bucket,
    key,
    etag: content.blake3,
    ...keptAttributes(attributes, expected),
    ...(precondition !== undefined && { precondition }),
  };
  const { blake3 } = content;
  const size = bytes.length;
  const known = await findKnown(ports, { blake3, size, redundancy: redundancyFor(redundancy, size) });
  const recognised = known && (await commitExisting(ports, put, known));
  if (recognised !== undefined) return recognised;
  reach('put:before-shards');
  const blob = await blobs.put(content, { redundancy, ...(signal !== undefined && { signal }) });
  return commitStored(ports, put, blob);
}

/** Throws `digest-mismatch`. */
function hashed(bytes: Buffer, expected: ExpectedDigests | undefined): HashedContent {
  checkDigests(bytes, expected);
  const blake3 = toBlake3(contentHash.of(bytes).toString('hex'));
  if (expected?.sha256 === undefined) return { bytes, blake3 };
  return { bytes, blake3, sha256: toSha256(expected.sha256.toString('hex')) };
}
