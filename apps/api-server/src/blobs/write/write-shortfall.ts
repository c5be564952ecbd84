import { GranaryError } from '#contracts';
import type { BlobServers } from '../blob-servers.js';

/** Why a segment has too few servers. */
export interface Shortfall {
  quorum: number;
  /** Servers that have taken, or could still take, a shard. */
  usable: number;
  /** What the others said. */
  failures: readonly unknown[];
}

/** `storage-full` if there would be a quorum but for space, else `no-data-server`. */
export function writeShortfall(servers: BlobServers, { quorum, usable, failures }: Shortfall): GranaryError {
  const full = servers.countFull() + failures.filter(isFull).length;
  const lacking = `A write needs ${quorum} data servers, and ${usable} of ${servers.countKnown()} can take it`;
  if (full > 0 && usable + full >= quorum) {
    return new GranaryError('storage-full', `${lacking}; ${full} are full.`, { cause: failures.find(isFull) });
  }
  return new GranaryError('no-data-server', `${lacking} now.`, {
    cause: failures.find(failure => !isFull(failure)),
    headers: { 'Retry-After': '1' },
  });
}

function isFull(failure: unknown): boolean {
  return failure instanceof GranaryError && failure.code === 'storage-full';
}
