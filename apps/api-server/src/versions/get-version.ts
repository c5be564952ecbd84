import type { ObjectName } from '#contracts';
import type { ObjectInfo, ObjectReader } from '#http';
import type { BucketName, ObjectVersion } from '#metadata';
import type { ByteRange, Sink } from '#storage';
import type { BlobReader } from '../blobs/blob-store.js';
import { findObject } from './find-object.js';
import { infoOf } from './object-info.js';
import type { VersionPorts } from './version-ports.js';

/** Opens the current object, or one version of it: one metadata read, and no server is touched before the bytes are. */
export async function getVersion(
  ports: Pick<VersionPorts, 'metadata' | 'blobs'>,
  bucket: BucketName,
  key: ObjectName,
  version?: string,
): Promise<ObjectReader | undefined> {
  const found = await findObject(ports, bucket, key, version);
  return found && new VersionReader(found, ports.blobs.open(found.blobs));
}

export async function statVersion(
  ports: Pick<VersionPorts, 'metadata'>,
  bucket: BucketName,
  key: ObjectName,
  version?: string,
): Promise<(ObjectInfo & { size: number }) | undefined> {
  const found = await findObject(ports, bucket, key, version);
  return found && infoOf(found);
}

class VersionReader implements ObjectReader {
  readonly info: ObjectInfo;

  constructor(
    version: ObjectVersion,
    private readonly blobs: BlobReader,
  ) {
    this.info = infoOf(version);
  }

  copyTo(sink: Sink, range?: ByteRange, options?: { signal?: AbortSignal }): Promise<void> {
    return this.blobs.copyTo(sink, range, options);
  }

  close(): Promise<void> {
    return this.blobs.close();
  }
}
