import { schemeOf, toRedundancy, type Redundancy, type RedundancyScheme } from '#metadata';

/**
 * How a content is stored for a bucket's setting. Small contents are replicated, so often that they
 * survive as many losses. In a cluster with fewer servers than the scheme has shards there are as many
 * copies as were asked for and as there are servers. `knownServers` counts the missing ones too: a
 * server that is down for an hour must not make every write of that hour a lesser one.
 */
export function redundancyFor(asked: Redundancy, content: 'small' | 'large', knownServers: number): Redundancy {
  const scheme = schemeOf(asked);
  if (scheme.kind === 'erasure' && content === 'large' && scheme.shards <= knownServers) return asked;
  return copies(Math.min(copiesAsked(scheme), Math.max(1, knownServers)));
}

/** How many shards of a segment must be durable before a write counts: a majority of copies, or one more than reading needs. */
export function writeQuorumOf({ kind, shards, needed }: RedundancyScheme): number {
  return kind === 'copies' ? Math.floor(shards / 2) + 1 : Math.min(needed + 1, shards);
}

function copiesAsked({ kind, shards, needed }: RedundancyScheme): number {
  return kind === 'copies' ? shards : shards - needed + 1;
}

function copies(count: number): Redundancy {
  return toRedundancy(count === 1 ? 'single' : `copies:${count}`);
}
