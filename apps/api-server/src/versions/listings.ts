import type {
  ListedObjectEntry,
  ListedPrefix,
  ListedVersionEntry,
  ObjectName,
  ObjectPageBody,
  ShardPlace,
  StatsBody,
  VersionPageBody,
} from '#contracts';
import type { BucketName, ListObjectsRequest, ListVersionsRequest, MetadataStore } from '#metadata';
import { eachObjectPage, listObjects } from './list-objects.js';
import { eachVersionPage, listVersions } from './list-versions.js';
import { locateShards, locateVersion, type LocatePorts } from './locate-version.js';
import { readStats } from './read-stats.js';

type OfBucket<T> = Omit<T, 'bucket'>;

export interface ListingPorts extends LocatePorts {
  metadata: MetadataStore;
}

/** What is to be seen of one bucket, and of the cluster, without its bytes. */
export class Listings {
  constructor(
    private readonly ports: ListingPorts,
    private readonly bucket: BucketName,
  ) {}

  objects(request: OfBucket<ListObjectsRequest>): Promise<ObjectPageBody> {
    return listObjects(this.ports.metadata, { ...request, bucket: this.bucket });
  }

  objectPages(request: OfBucket<ListObjectsRequest>): AsyncIterable<(ListedObjectEntry | ListedPrefix)[]> {
    return eachObjectPage(this.ports.metadata, { ...request, bucket: this.bucket });
  }

  versions(request: OfBucket<ListVersionsRequest>): Promise<VersionPageBody> {
    return listVersions(this.ports.metadata, { ...request, bucket: this.bucket });
  }

  versionPages(request: OfBucket<ListVersionsRequest>): AsyncIterable<(ListedVersionEntry | ListedPrefix)[]> {
    return eachVersionPage(this.ports.metadata, { ...request, bucket: this.bucket });
  }

  locate(name: ObjectName, version?: string): Promise<string> {
    return locateVersion(this.ports, this.bucket, name, version);
  }

  shardPages(name: ObjectName, version?: string): Promise<Iterable<ShardPlace[]>> {
    return locateShards(this.ports, this.bucket, name, version);
  }

  stats(): Promise<StatsBody> {
    return readStats(this.ports.metadata);
  }
}
