import type { ObjectName } from '#contracts';
import type {
  CreateObjectOptions,
  ObjectInfo,
  ObjectReader,
  ObjectStore,
  ObjectWriter,
  OpenObjectOptions,
  PutObjectOptions,
  RemovedObject,
  RemoveObjectOptions,
  StatObjectOptions,
} from '#http';
import type { BucketName } from '#metadata';
import { deleteCurrent, deleteVersion } from './delete-version.js';
import { getVersion, statVersion } from './get-version.js';
import { putVersion } from './put-version.js';
import { streamVersion } from './stream-version.js';
import type { VersionPorts } from './version-ports.js';

/** One bucket: names and their versions in the metadata database, their bytes as blobs on the data servers. */
export class VersionedStore implements ObjectStore {
  readonly keepsVersions = true;

  constructor(
    private readonly ports: VersionPorts,
    private readonly bucket: BucketName,
  ) {}

  put(name: ObjectName, bytes: Buffer, options: PutObjectOptions): Promise<ObjectInfo> {
    return putVersion(this.ports, this.bucket, name, bytes, options);
  }

  create(name: ObjectName, options: CreateObjectOptions): Promise<ObjectWriter> {
    return streamVersion(this.ports, this.bucket, name, options);
  }

  open(name: ObjectName, options?: OpenObjectOptions): Promise<ObjectReader | undefined> {
    return getVersion(this.ports, this.bucket, name, options?.version);
  }

  stat(name: ObjectName, options?: StatObjectOptions): Promise<(ObjectInfo & { size: number }) | undefined> {
    return statVersion(this.ports, this.bucket, name, options?.version);
  }

  remove(name: ObjectName, { version, precondition }: RemoveObjectOptions): Promise<RemovedObject> {
    if (version === undefined) return deleteCurrent(this.ports, this.bucket, name, precondition);
    return deleteVersion(this.ports, this.bucket, name, version, precondition);
  }
}
