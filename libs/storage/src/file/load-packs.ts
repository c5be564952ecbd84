import type { KeyHash } from '#contracts';
import { withFile } from './disk-access.js';
import type { Disk } from './disk.js';
import { ENTRY_KINDS, type EntryKind, type IndexEntry } from './object-index.js';
import { packFile, parsePackName, type Pack, type PackFiles } from './pack-files.js';
import { readHint, writeHint, type PackEntry, type PackHint } from './pack-hint.js';
import { scanPack } from './pack-scan.js';
import { RECORD_TYPES, type RecordType } from './record-header.js';
import type { StorageEventListener } from './storage-events.js';
import type { StoreCatalog } from './store-catalog.js';
import type { StoreLayout } from './store-layout.js';

export interface PackLoading {
  disk: Disk;
  layout: StoreLayout;
  packs: PackFiles;
  catalog: StoreCatalog;
  onEvent: StorageEventListener;
}

/**
 * Fills the catalog from the packs: from their hints, and by reading those that have none (the one
 * that was being written, after a crash). Files of large objects count as missing until they are
 * found. Resolves to the first pack id that was never used.
 */
export async function loadPacks(loading: PackLoading): Promise<number> {
  const found = await findPacks(loading);
  for (const pack of found) {
    loading.packs.add(pack);
    const { entries, end } = (await readHint(loading.disk, pack.hintPath, pack.salt)) ?? (await rescan(loading, pack));
    pack.size = end;
    pack.records = entries.count;
    pack.sealed = true;
    for (const entry of entries) adopt(loading.catalog, entry.hash, indexEntry(pack, entry));
  }
  return (found.at(-1)?.id ?? 0) + 1;
}

/** Of two records of one key the later change is the state; of two copies of one record, either. */
export function adopt(catalog: StoreCatalog, hash: KeyHash, candidate: IndexEntry): void {
  const present = catalog.get(hash);
  if (present === undefined || candidate.sequence >= present.sequence) catalog.set(hash, candidate);
}

/** By id. A hint without its pack counts as one: its objects are damaged, not absent. */
async function findPacks({ disk, layout }: PackLoading): Promise<Pack[]> {
  const packs = new Map<number, Pack>();
  for (const name of await disk.readdir(layout.packs)) {
    const parsed = parsePackName(name);
    if (parsed !== undefined) packs.set(parsed.id, packFile(layout.packs, parsed.id, parsed.salt));
  }
  return [...packs.values()].sort((one, other) => one.id - other.id);
}

async function rescan({ disk, layout, onEvent }: PackLoading, pack: Pack): Promise<PackHint> {
  const scanned = await withFile(disk, pack.path, 'r', async descriptor => {
    const result = await scanPack(disk, descriptor, pack.salt);
    // What was read may be in the page cache alone; from here on the hint promises it.
    await disk.fdatasync(descriptor);
    return result;
  });
  if (scanned.lostBytes > 0) onEvent({ kind: 'bytes-lost', path: pack.path, bytes: scanned.lostBytes });
  const paths = { temporary: layout.temporaryPath(), path: pack.hintPath, directory: layout.packs };
  await writeHint(disk, paths, scanned, pack.salt).catch((error: unknown) =>
    onEvent({ kind: 'upkeep-failed', doing: `writing ${pack.hintPath}`, error }),
  );
  return scanned;
}

function indexEntry(pack: Pack, { type, stamp, sequence, length, offset }: PackEntry): IndexEntry {
  const kind = KIND_OF[type];
  return { kind, stamp, sequence, length, pack: pack.id, offset, damaged: kind === ENTRY_KINDS.file };
}

const KIND_OF: Record<RecordType, EntryKind> = {
  [RECORD_TYPES.put]: ENTRY_KINDS.packed,
  [RECORD_TYPES.tombstone]: ENTRY_KINDS.tombstone,
  [RECORD_TYPES.forget]: ENTRY_KINDS.forgotten,
  [RECORD_TYPES.file]: ENTRY_KINDS.file,
  [RECORD_TYPES.mark]: ENTRY_KINDS.forgotten,
};
