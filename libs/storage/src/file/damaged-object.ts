import { GranaryError, type KeyHash } from '#contracts';
import { diskError, syncDirectory, withFile, writeFileDurably } from './disk-access.js';
import { errnoOf } from './errno.js';
import { ENTRY_KINDS, type IndexEntry } from './object-index.js';
import type { StoreParts } from './store-parts.js';

export function objectDamaged(hash: KeyHash): GranaryError {
  return new GranaryError('object-damaged', `The object ${hash} no longer matches its checksums.`);
}

/** The error for a read that failed: the disk cannot give these bytes back, or something passing. */
export function readError(parts: StoreParts, hash: KeyHash, where: string, error: unknown): unknown {
  if (errnoOf(error) !== 'EIO') return diskError(error, `reading ${where}`);
  parts.onEvent({ kind: 'object-damaged', hash, where, reason: 'EIO' });
  return new GranaryError('object-damaged', `The disk cannot read the object ${hash} (EIO).`, { cause: error });
}

/**
 * Notes that an object fails its checksums: from now on it answers `object-damaged`, and a file of
 * its own is set aside in quarantine/, so that the next start knows. In a pack it stays where it is
 * until the pack is compacted.
 */
export function noteDamage(parts: StoreParts, hash: KeyHash, seen: IndexEntry, reason: string): GranaryError {
  const entry = parts.catalog.get(hash);
  if (entry !== undefined && entry.sequence === seen.sequence && !entry.damaged) {
    parts.catalog.set(hash, { ...entry, damaged: true });
    parts.onEvent({ kind: 'object-damaged', hash, where: whereIs(parts, hash, entry), reason });
    if (entry.kind === ENTRY_KINDS.file) {
      parts.background.run(`setting ${hash} aside`, () => setFileAside(parts, hash, entry));
    }
  }
  return objectDamaged(hash);
}

/** Keeps the bytes of a damaged record when its pack goes. */
export async function setRecordAside(
  parts: StoreParts,
  hash: KeyHash,
  entry: IndexEntry,
  bytes: Buffer,
): Promise<void> {
  const { disk, layout, onEvent } = parts;
  const path = layout.quarantinePath({ hash, ...entry });
  await writeFileDurably(disk, { temporary: layout.temporaryPath(), path, directory: layout.quarantine }, bytes);
  onEvent({ kind: 'object-quarantined', hash, path });
}

/** Moves a damaged file to quarantine/; what is missing leaves an empty one there. */
export function setFileAside(parts: StoreParts, hash: KeyHash, seen: IndexEntry): Promise<void> {
  const { disk, layout, catalog, locks, onEvent } = parts;
  return locks.run(hash, async () => {
    const entry = catalog.get(hash);
    if (entry?.sequence !== seen.sequence || entry.kind !== ENTRY_KINDS.file) return;
    const name = { hash, ...entry };
    const path = layout.quarantinePath(name);
    await disk.rename(layout.objectPath(name), path).catch(async (error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error;
      await withFile(disk, path, 'w', descriptor => disk.fsync(descriptor));
    });
    catalog.set(hash, { ...entry, kind: ENTRY_KINDS.quarantined, damaged: true });
    await syncDirectory(disk, layout.quarantine);
    await syncDirectory(disk, layout.objectDirectory(hash)).catch(() => {});
    onEvent({ kind: 'object-quarantined', hash, path });
  });
}

function whereIs({ packs, layout }: StoreParts, hash: KeyHash, entry: IndexEntry): string {
  if (entry.kind === ENTRY_KINDS.packed) return `${packs.get(entry.pack)?.path} at ${entry.offset}`;
  return layout.objectPath({ hash, ...entry });
}
