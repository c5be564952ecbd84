import { GranaryError, type ObjectName, type ShardPlace } from '#contracts';
import {
  segmentCount,
  serverOf,
  type Blob,
  type BucketName,
  type MetadataStore,
  type ObjectVersion,
  type ServerId,
} from '#metadata';
import { findObject } from './find-object.js';

export interface LocatePorts {
  metadata: Pick<MetadataStore, 'find'>;
  /** `host:port` of a data server that is believed to live. */
  addressOf: (server: ServerId) => string | undefined;
}

/**
 * The address of a living server that holds a shard of the current version, or of the version named.
 * `data-server-unavailable` when none of those that do is known to live; `object-damaged` when every shard
 * is lost. An object that is empty has none: `object-not-found`, since there is no address to answer.
 */
export async function locateVersion(
  ports: LocatePorts,
  bucket: BucketName,
  key: ObjectName,
  version?: string,
): Promise<string> {
  const { blobs, size } = await presentObject(ports, bucket, key, version);
  const servers = new Set(blobs.flatMap(blob => blob.layout.servers));
  for (const server of servers) {
    const address = ports.addressOf(server);
    if (address !== undefined) return address;
  }
  throw servers.size === 0 ? nowhere(key, size) : noneLives(key, servers.size);
}

function nowhere(key: ObjectName, size: number): GranaryError {
  return size === 0
    ? new GranaryError('object-not-found', `"${key}" is empty: no server holds anything of it.`)
    : new GranaryError('object-damaged', `No server holds a shard of "${key}", which has ${size} bytes.`);
}

function noneLives(key: ObjectName, servers: number): GranaryError {
  return new GranaryError('data-server-unavailable', `None of the ${servers} servers with shards of "${key}" lives.`);
}

/** Every shard and its server, segment by segment, as they are taken: there may be millions. */
export async function locateShards(
  ports: LocatePorts,
  bucket: BucketName,
  key: ObjectName,
  version?: string,
): Promise<Iterable<ShardPlace[]>> {
  const { blobs } = await presentObject(ports, bucket, key, version);
  return placesOf(blobs, ports.addressOf);
}

async function presentObject(
  ports: Pick<LocatePorts, 'metadata'>,
  bucket: BucketName,
  key: ObjectName,
  version?: string,
): Promise<ObjectVersion> {
  const found = await findObject(ports, bucket, key, version);
  if (found === undefined) throw new GranaryError('object-not-found', 'No object has this name.');
  return found;
}

function* placesOf(
  blobs: readonly Blob[],
  addressOf: LocatePorts['addressOf'],
): Generator<ShardPlace[], void, undefined> {
  for (const { id, layout } of blobs) {
    for (let segment = 0; segment < segmentCount(layout); segment += 1) {
      yield Array.from({ length: layout.shardsPerSegment }, (_, shard) => {
        const server = serverOf(layout, segment, shard);
        const address = server && addressOf(server);
        return {
          blob: id,
          segment,
          shard,
          ...(server !== undefined && { server }),
          ...(address !== undefined && { address }),
        };
      });
    }
  }
}
