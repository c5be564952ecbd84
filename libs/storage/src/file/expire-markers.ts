import { STAMPS_PER_MS, type KeyHash } from '#contracts';
import { ENTRY_KINDS, type IndexEntry } from './object-index.js';
import type { PackEntries } from './pack-hint.js';
import { entriesOf } from './pack-compaction.js';
import type { PackWriter } from './pack-writer.js';
import type { StoreParts } from './store-parts.js';

type MarkerParts = Pick<StoreParts, 'disk' | 'catalog' | 'packs'> & { writer: Pick<PackWriter, 'current'> };

/**
 * Drops tombstones that are old enough, and records of what was forgotten: each only when no older
 * record of its key is left in any pack, since that would come back at the next start.
 */
export async function expireMarkers(parts: MarkerParts, tombstoneTtlMs: number): Promise<void> {
  const { catalog, packs, writer } = parts;
  if (catalog.strayFiles > 0) return;
  const due = dueMarkers(parts, (Date.now() - tombstoneTtlMs) * STAMPS_PER_MS);
  if (due.size === 0) return;
  for (const pack of packs.all()) {
    if (pack.liveRecords === pack.records) continue;
    if (!pack.sealed && writer.current?.pack !== pack) return;
    keepNeeded(due, pack.id, pack.sealed ? await entriesOf(parts, pack) : writer.current?.entries);
  }
  for (const [hash, marker] of due) {
    if (catalog.get(hash)?.sequence === marker.sequence) catalog.drop(hash);
  }
}

/** One round looks at this many; the rest waits for the next. */
const MAX_MARKERS = 200_000;

function dueMarkers({ catalog }: MarkerParts, olderThan: number): Map<KeyHash, IndexEntry> {
  const due = new Map<KeyHash, IndexEntry>();
  for (const [hash, entry] of catalog.all([ENTRY_KINDS.forgotten, ENTRY_KINDS.tombstone])) {
    const { kind, stamp } = entry;
    if (kind === ENTRY_KINDS.forgotten || stamp < olderThan) due.set(hash, entry);
    if (due.size >= MAX_MARKERS) break;
  }
  return due;
}

/** In the marker's own pack older records do no harm: they go when it goes. */
function keepNeeded(due: Map<KeyHash, IndexEntry>, packId: number, entries: PackEntries | undefined): void {
  for (const { hash, sequence } of entries ?? []) {
    const marker = due.get(hash);
    if (marker !== undefined && marker.pack !== packId && sequence < marker.sequence) due.delete(hash);
  }
}
