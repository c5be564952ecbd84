import type { Provider, Type } from '@nestjs/common';
import { NATIVE_BUCKET, type BucketName, type MetadataStore, type Redundancy, type ServerId } from '#metadata';
import type { Logger } from '#telemetry';
import type { BlobStore } from '../blobs/blob-store.js';
import { ListingController } from '../rest/listing.controller.js';
import { ShardLocateController } from '../rest/shard-locate.controller.js';
import { StatsController } from '../rest/stats.controller.js';
import { BucketRecords } from './bucket-records.js';
import { crashAt, type CrashPoint } from './crash-points.js';
import { Listings } from './listings.js';
import { VersionedStore } from './versioned-store.js';
import type { VersionPorts } from './version-ports.js';

export interface VersionsOptions {
  metadata: MetadataStore;
  blobs: BlobStore;
  /** As VersionPorts. */
  redundancyFor: (asked: Redundancy, sizeBytes: number) => Redundancy;
  /** `host:port` of a data server that is believed to live. */
  addressOf: (server: ServerId) => string | undefined;
  logger: Logger;
  /** For tests: where the process ends itself. */
  crashPoint?: CrashPoint | undefined;
}

export interface Versions {
  /** The native objects; to be served by createObjectEndpoint. */
  store: VersionedStore;
  /** Another bucket over the same ports. */
  storeOf: (bucket: BucketName) => VersionedStore;
  /** ShardLocateController among them, which takes the place of LocateController. */
  controllers: Type[];
  providers: Provider[];
}

/** What a metadata database and a BlobStore add to an API server. Both stay the caller's to close. */
export function openVersions(options: VersionsOptions): Versions {
  const { metadata, blobs, redundancyFor, addressOf, logger, crashPoint } = options;
  const ports: VersionPorts = {
    metadata,
    blobs,
    buckets: new BucketRecords(metadata),
    redundancyFor,
    reach: crashAt(crashPoint),
    logger,
  };
  const storeOf = (bucket: BucketName): VersionedStore => new VersionedStore(ports, bucket);
  return {
    store: storeOf(NATIVE_BUCKET),
    storeOf,
    controllers: [ListingController, StatsController, ShardLocateController],
    providers: [{ provide: Listings, useValue: new Listings({ metadata, addressOf }, NATIVE_BUCKET) }],
  };
}
