import type { Member } from '#cluster';
import type { ObjectName } from '#contracts';
import { serverOf, type NewBlob } from '#metadata';
import type { BlobParts } from '../blob-parts.js';
import { shardKey } from '../segment-format.js';
import { settledWithin } from '../settled-within.js';

export interface StoredShard {
  server: Member;
  key: ObjectName;
}

/** Where a blob is, as far as those servers live. */
export function shardsOf({ servers }: BlobParts, { id: blobId, layout }: NewBlob): StoredShard[] {
  return [...layout.shards.keys()].flatMap(position => {
    const segment = Math.floor(position / layout.shardsPerSegment);
    const shard = position % layout.shardsPerSegment;
    const id = serverOf(layout, segment, shard);
    const server = id && servers.find(id);
    return server === undefined ? [] : [{ server, key: shardKey({ blobId, segment, shard }) }];
  });
}

/**
 * Removes shards that nothing refers to, from all their servers at once. A server that fails is left
 * alone, and what it keeps stays there. Never rejects, and no removal is waited for longer than `cleanUpMs`.
 */
export async function removeShards(parts: BlobParts, shards: readonly StoredShard[]): Promise<void> {
  const servers = new Set(shards.map(({ server }) => server));
  await Promise.all(
    [...servers].map(server => {
      const keys = shards.filter(shard => shard.server === server).map(({ key }) => key);
      return removeFrom(parts, server, keys);
    }),
  );
}

/** Whether the server has said, within `cleanUpMs`, that it does not have the shard any more. Never rejects. */
export async function removeShard({ servers, settings }: BlobParts, { server, key }: StoredShard): Promise<boolean> {
  let isRemoved = false;
  const removal = servers
    .storeOf(server)
    .remove(key, {})
    .then(() => (isRemoved = true));
  await settledWithin(settings.cleanUpMs, removal);
  return isRemoved;
}

const REMOVALS_PER_SERVER = 4;

async function removeFrom(parts: BlobParts, server: Member, keys: ObjectName[]): Promise<void> {
  const removeRest = async (): Promise<void> => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      if (!(await removeShard(parts, { server, key }))) keys.length = 0;
    }
  };
  await Promise.all(Array.from({ length: REMOVALS_PER_SERVER }, removeRest));
}
