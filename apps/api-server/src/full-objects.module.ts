import type { ClusterView, Member } from '#cluster';
import { NATIVE_BUCKET, newCommitId, toServerId, type MetadataStore, type Redundancy } from '#metadata';
import type { Shutdown } from '#nest';
import type { ShardStore } from '#storage';
import type { Logger, Metrics } from '#telemetry';
import { showHotBlobs } from './blobs/hot-blob-metrics.js';
import { HotBlobs } from './blobs/read/hot-blobs.js';
import { redundancyFor } from './blobs/redundancy-for.js';
import { RedundantBlobStore } from './blobs/redundant-blob-store.js';
import { ShortfallRecorder } from './blobs/shortfall-recorder.js';
import { ViewServers } from './blobs/view-servers.js';
import { openMetadata } from './metadata.module.js';
import type { ServedObjects } from './served-objects.module.js';
import type { CrashPoint } from './versions/crash-points.js';
import { sweepMetrics } from './upkeep/sweep-metrics.js';
import { Sweeper } from './upkeep/sweeper.js';
import { openVersions } from './versions/versions.module.js';

/** Nobody has to be woken for a round then; and one is written while the one before is committed. */
const WRITES_PER_LOCAL_ROUND = 16;

export interface FullObjectsSettings {
  metadataUrl: string;
  /** For native objects; undefined leaves it as it is in the database. */
  redundancy?: Redundancy | undefined;
  segmentSizeBytes: number;
  smallSegmentBytes: number;
  hotBlobCacheBytes: number;
  blobGraceSeconds: number;
  granaryCrashPoint?: CrashPoint | undefined;
}

export interface FullObjectsParts {
  settings: FullObjectsSettings;
  view: ClusterView;
  /** Where a data server keeps shards. */
  shardsOf: (member: Member) => ShardStore;
  /** Data servers of this process, which then are all. */
  localServers?: number | undefined;
  logger: Logger;
  metrics: Metrics;
  shutdown: Shutdown;
}

/** The objects of a full cluster: versions of names in a database, and their bytes as shards on the data servers. */
export async function serveFullObjects(parts: FullObjectsParts): Promise<ServedObjects> {
  const { settings, view, shardsOf, logger, metrics, shutdown } = parts;
  const metadata = await openMetadata(settings.metadataUrl, logger);
  shutdown.add('metadata', () => metadata.close());
  if (settings.redundancy !== undefined) await setRedundancy(metadata, settings.redundancy);
  const shortfalls = new ShortfallRecorder({ metadata, logger });
  shutdown.add('reports of missing shards', () => shortfalls.close());

  const { segmentSizeBytes, smallSegmentBytes } = settings;
  const servers = new ViewServers(view, shardsOf, parts.localServers);
  const hot = new HotBlobs(settings.hotBlobCacheBytes);
  showHotBlobs(metrics, hot);
  const blobs = new RedundantBlobStore({
    servers,
    hot,
    report: trouble => shortfalls.report(trouble),
    settings: {
      segmentSizeBytes,
      smallSegmentBytes,
      ...(parts.localServers !== undefined && { writesPerRound: WRITES_PER_LOCAL_ROUND }),
    },
  });
  const graceMs = settings.blobGraceSeconds * 1000;
  const sweeper = new Sweeper({ metadata, blobs, graceMs, metrics: sweepMetrics(metrics), logger });
  sweeper.start();
  shutdown.add('sweep', () => sweeper.close());
  const versions = openVersions({
    metadata,
    blobs,
    redundancyFor: (asked, sizeBytes) =>
      redundancyFor(asked, sizeBytes <= smallSegmentBytes ? 'small' : 'large', servers.countExpected()),
    addressOf: server => servers.find(toServerId(server))?.address,
    logger,
    crashPoint: settings.granaryCrashPoint,
  });
  return {
    store: versions.store,
    isRelayed: false,
    controllers: versions.controllers,
    providers: versions.providers,
    dependencies: async () => [{ name: 'metadata', missing: await whyMissing(metadata), isVital: true }],
  };
}

async function setRedundancy(metadata: MetadataStore, redundancy: Redundancy): Promise<void> {
  const bucket = await metadata.findBucket(NATIVE_BUCKET);
  if (bucket === undefined || bucket.redundancy === redundancy) return;
  await metadata.updateBucket({ commitId: newCommitId(), name: NATIVE_BUCKET, redundancy });
}

async function whyMissing(metadata: MetadataStore): Promise<string | undefined> {
  try {
    await metadata.ping();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
