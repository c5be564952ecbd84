import { z } from 'zod';

/** What an API server with a metadata database says of names, versions and their cost. */

const bytes = (description: string) => z.int().describe(description);
const count = (description: string) => z.int().describe(description);

export const listedObjectShape = z
  .object({
    name: z.string(),
    version: z.string().describe('The id of the current version.'),
    size: z.int(),
    etag: z.string().describe('Without quotes: the BLAKE3 of the bytes, in hex.'),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'ListedObject' });
export type ListedObjectEntry = z.infer<typeof listedObjectShape>;

export const listedVersionShape = z
  .object({
    name: z.string(),
    version: z.string(),
    current: z.boolean().describe('Whether it is the newest of its name.'),
    deleteMarker: z.boolean().describe('Whether it says that the object was deleted; size and etag are absent then.'),
    size: z.int().optional(),
    etag: z.string().optional().describe('Without quotes: the BLAKE3 of the bytes, in hex.'),
    digests: z
      .record(z.string(), z.string())
      .optional()
      .describe('Those that the client declared and the bytes were found to have, in hex, e.g. `sha-256`.'),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'ListedVersion' });
export type ListedVersionEntry = z.infer<typeof listedVersionShape>;

export const listedPrefixShape = z
  .object({ prefix: z.string().describe('What several names have in common, up to and with the delimiter.') })
  .meta({ id: 'ListedPrefix' });
export type ListedPrefix = z.infer<typeof listedPrefixShape>;

const cursor = z
  .string()
  .optional()
  .describe('Asks for the next page, with the same other parameters. Absent on the last.');
const prefixes = z.array(z.string()).describe('Common prefixes, in order; empty without a delimiter.');

export const objectPageShape = z
  .object({ objects: z.array(listedObjectShape), prefixes, cursor })
  .meta({ id: 'ObjectPage' });
export type ObjectPageBody = z.infer<typeof objectPageShape>;

export const versionPageShape = z
  .object({ versions: z.array(listedVersionShape), prefixes, cursor })
  .meta({ id: 'VersionPage' });
export type VersionPageBody = z.infer<typeof versionPageShape>;

const sumShape = z.object({
  objects: count('Names with a current object.'),
  versions: count('Versions that are objects, current or not.'),
  deleteMarkers: z.int(),
  logicalBytes: bytes('Of all versions, as clients count.'),
  blobs: count('Contents that are stored. One that several buckets use counts where it came first.'),
  blobBytes: bytes('Of those, each once.'),
  storedBytes: bytes('On all disks together, once nothing is missing.'),
  unreferencedBytes: bytes('Of blobBytes, what no version and no upload refers to any more. It awaits the sweep.'),
  deduplicationSavedBytes: bytes(
    'The size of each content that counts here, once for each version or part of an upload that refers to it, but the first, in whichever bucket. Never below zero.',
  ),
  redundancyCostBytes: bytes('storedBytes − blobBytes: what copies and erasure coding add.'),
});

export const statsShape = z
  .object({
    buckets: z.array(sumShape.extend({ bucket: z.string() })),
    total: sumShape.describe('Of the cluster.'),
    queuedRepairs: count('Shards that are to be made anew.'),
  })
  .meta({ id: 'Stats' });
export type StatsBody = z.infer<typeof statsShape>;
export type SumsBody = z.infer<typeof sumShape>;

export const shardPlaceShape = z
  .object({
    blob: z.string(),
    segment: z.int(),
    shard: z.int(),
    server: z.string().optional().describe('The id of the data server; absent while the shard awaits repair.'),
    address: z.string().optional().describe('Where that server is; absent while it is not known to live.'),
  })
  .meta({ id: 'ShardPlace' });
export type ShardPlace = z.infer<typeof shardPlaceShape>;
