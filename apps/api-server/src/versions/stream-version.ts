import type { ObjectName } from '#contracts';
import type { CreateObjectOptions, ObjectInfo, ObjectWriter } from '#http';
import { newCommitId, type BucketName, type NewBlob } from '#metadata';
import type { ExpectedDigests } from '#storage';
import type { BlobWriter } from '../blobs/blob-store.js';
import { commitStored } from './commit-version.js';
import { refuseEarly } from './find-object.js';
import { findKnown } from './known-blob.js';
import { keptAttributes } from './object-info.js';
import type { VersionPorts } from './version-ports.js';

/** Begins a version of bytes that come in pieces: when it resolves, servers await them. */
export async function streamVersion(
  ports: VersionPorts,
  bucket: BucketName,
  key: ObjectName,
  options: CreateObjectOptions,
): Promise<ObjectWriter> {
  const { precondition, length, expected, signal } = options;
  await refuseEarly(ports, bucket, key, precondition);
  const { redundancy } = await ports.buckets.get(bucket);
  ports.reach('put:before-shards');
  const writer = await ports.blobs.create({
    redundancy,
    ...(length !== undefined && { length }),
    ...(expected !== undefined && { expected }),
    ...(signal !== undefined && { signal }),
  });
  const commit = async (blob: NewBlob, digests: ExpectedDigests | undefined): Promise<ObjectInfo> => {
    // The commit would refer to a known blob, whatever had become of it.
    await findKnown(ports, blob);
    return commitStored(
      ports,
      {
        commitId: newCommitId(),
        bucket,
        key,
        etag: blob.blake3,
        ...keptAttributes(options.attributes, { ...expected, ...digests }),
        ...(precondition !== undefined && { precondition }),
      },
      blob,
    );
  };
  return new VersionWriter(writer, commit);
}

class VersionWriter implements ObjectWriter {
  readonly releasesChunks = true;
  #isDurable = false;

  constructor(
    private readonly writer: BlobWriter,
    private readonly commitBlob: (blob: NewBlob, digests: ExpectedDigests | undefined) => Promise<ObjectInfo>,
  ) {}

  write(chunk: Buffer): Promise<void> | undefined {
    return this.writer.write(chunk);
  }

  async commit(options?: { expected?: ExpectedDigests }): Promise<ObjectInfo> {
    const blob = await this.writer.commit(options);
    this.#isDurable = true;
    return this.commitBlob(blob, options?.expected);
  }

  /** Once the shards are durable a version may refer to them: then it is the commit that discards, or does not. */
  async abort(): Promise<void> {
    if (!this.#isDurable) await this.writer.abort();
  }
}
