import { serverOf, type Blob, type BlobId, type ServerId } from '#metadata';
import type { BlobParts } from '../blob-parts.js';
import { shardKey } from '../segment-format.js';
import { removeShard } from './remove-shards.js';

/** Shards that are being removed at once, over all servers. */
const REMOVALS = 16;

interface RecordedShard {
  blobId: BlobId;
  segment: number;
  shard: number;
  serverId: ServerId;
}

/** BlobStore.remove. A server that fails once is not asked again in this call: a hung one costs `cleanUpMs` once. */
export async function removeBlobs(
  parts: BlobParts,
  blobs: readonly Blob[],
  signal: AbortSignal | undefined,
): Promise<BlobId[]> {
  const left = shardsOfAll(blobs);
  const kept = new Set<BlobId>();
  const failed = new Set<ServerId>();
  const removeRest = async (): Promise<void> => {
    for (const shard of left) {
      const isGone = signal?.aborted !== true && (await isRemoved(parts, shard, failed));
      if (!isGone) kept.add(shard.blobId);
    }
  };
  await Promise.all(Array.from({ length: REMOVALS }, removeRest));
  return blobs.map(({ id }) => id).filter(id => !kept.has(id));
}

/** One at a time, since a large blob has hundreds of thousands. */
function* shardsOfAll(blobs: readonly Blob[]): Generator<RecordedShard, void> {
  for (const { id: blobId, layout } of blobs) {
    for (const position of layout.shards.keys()) {
      const segment = Math.floor(position / layout.shardsPerSegment);
      const shard = position % layout.shardsPerSegment;
      const serverId = serverOf(layout, segment, shard);
      if (serverId !== undefined) yield { blobId, segment, shard, serverId };
    }
  }
}

async function isRemoved(parts: BlobParts, shard: RecordedShard, failed: Set<ServerId>): Promise<boolean> {
  const { serverId } = shard;
  const server = parts.servers.find(serverId);
  if (server === undefined) return parts.servers.isForgotten(serverId);
  if (failed.has(serverId)) return false;
  const removed = await removeShard(parts, { server, key: shardKey(shard) });
  if (!removed) failed.add(serverId);
  return removed;
}
