import { setTimeout as sleep } from 'node:timers/promises';
import type { KeyHash } from '#contracts';
import { noteDamage, setRecordAside } from './damaged-object.js';
import { readFully, withFile } from './disk-access.js';
import { ENTRY_KINDS, type IndexEntry } from './object-index.js';
import type { Pack } from './pack-files.js';
import { readHint, type PackEntries, type PackEntry } from './pack-hint.js';
import { bareRecord, decodeObject, type PackRecord } from './pack-record.js';
import { scanPack } from './pack-scan.js';
import { RECORD_TYPES, encodeMeta } from './record-header.js';
import { packedBytes } from './store-catalog.js';
import type { StoreParts } from './store-parts.js';

/** The sealed pack that is most worth compacting: over half of it dead; or else a small one, when there are many. */
export function chooseForCompaction(packs: Iterable<Pack>, packSizeBytes: number): Pack | undefined {
  const sealed = [...packs].filter(pack => pack.sealed);
  const small = sealed.filter(pack => pack.size < packSizeBytes / 4);
  const worthIt = sealed.filter(pack => pack.liveBytes * 2 < pack.size);
  const candidates = worthIt.length > 0 ? worthIt : small.length > MAX_SMALL_PACKS ? small : [];
  return candidates.sort((one, other) => one.liveBytes - other.liveBytes)[0];
}

const MAX_SMALL_PACKS = 8;
/** Records that are copied at once, so that they share a sync. */
const GROUP_RECORDS = 64;

/**
 * Copies what is alive in a sealed pack to the pack being written, verified, and removes the pack.
 * Damaged records go to quarantine/. Readers are not disturbed.
 */
export async function compactPack(
  parts: StoreParts,
  pack: Pack,
  bytesPerSecond: number,
  signal: AbortSignal,
): Promise<void> {
  let group: PackEntry[] = [];
  for (const entry of await entriesOf(parts, pack)) {
    if (isCurrent(parts, pack, entry)) group.push(entry);
    if (group.length < GROUP_RECORDS) continue;
    await moveGroup(parts, pack, group, bytesPerSecond, signal);
    group = [];
  }
  await moveGroup(parts, pack, group, bytesPerSecond, signal);
  if (pack.liveRecords > 0)
    throw new Error(`${pack.liveRecords} records of ${pack.path} are in no list of its entries.`);
  await parts.packs.drop(pack);
  parts.onEvent({ kind: 'pack-compacted', path: pack.path, reclaimedBytes: pack.size });
}

/** What a sealed pack holds, dead records included. */
export async function entriesOf({ disk }: Pick<StoreParts, 'disk'>, pack: Pack): Promise<PackEntries> {
  const hint = await readHint(disk, pack.hintPath, pack.salt);
  if (hint !== undefined) return hint.entries;
  return (await withFile(disk, pack.path, 'r', descriptor => scanPack(disk, descriptor, pack.salt))).entries;
}

async function moveGroup(
  parts: StoreParts,
  pack: Pack,
  group: PackEntry[],
  bytesPerSecond: number,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const moved = await Promise.all(group.map(entry => moveRecord(parts, pack, entry)));
  const bytes = moved.reduce((sum, length) => sum + length, 0);
  if (bytes > 0) await sleep((bytes / bytesPerSecond) * 1000, undefined, { ref: false, signal });
}

async function moveRecord(parts: StoreParts, pack: Pack, entry: PackEntry): Promise<number> {
  const seen = currentEntry(parts, pack, entry);
  if (seen === undefined) return 0;
  const record = entry.type === RECORD_TYPES.put ? await readRecord(parts, pack, entry.hash, seen) : bareCopy(entry);
  if (record !== undefined) {
    const { pack: newPack, offset } = await parts.writer.append(record);
    const now = currentEntry(parts, pack, entry);
    if (now !== undefined) parts.catalog.set(entry.hash, { ...now, pack: newPack, offset });
  }
  return packedBytes(seen);
}

/** Undefined, after setting it aside, when the record is damaged. */
async function readRecord(
  parts: StoreParts,
  pack: Pack,
  hash: KeyHash,
  seen: IndexEntry,
): Promise<PackRecord | undefined> {
  const bytes = Buffer.allocUnsafe(seen.length);
  const count = await parts.packs.read(pack, descriptor => readFully(parts.disk, descriptor, bytes, seen.offset));
  const object = decodeObject(bytes.subarray(0, count), 0, pack.salt);
  if (object?.header.hash === hash)
    return { header: object.header, meta: encodeMeta(object).meta, payload: object.payload };
  noteDamage(parts, hash, seen, 'the record fails its checksums');
  await parts.locks.run(hash, async () => {
    if (parts.catalog.get(hash)?.sequence !== seen.sequence) return;
    await setRecordAside(parts, hash, seen, bytes.subarray(0, count));
    const { stamp, sequence } = seen;
    const kind = ENTRY_KINDS.quarantined;
    parts.catalog.set(hash, { kind, stamp, sequence, length: 0, pack: 0, offset: 0, damaged: true });
  });
  return undefined;
}

function bareCopy({ type, hash, stamp, sequence, length }: PackEntry): PackRecord {
  return bareRecord({ type, hash, stamp, sequence, size: type === RECORD_TYPES.file ? length : 0 });
}

function isCurrent(parts: StoreParts, pack: Pack, entry: PackEntry): boolean {
  return currentEntry(parts, pack, entry) !== undefined;
}

function currentEntry({ catalog }: StoreParts, pack: Pack, { hash, offset }: PackEntry): IndexEntry | undefined {
  const entry = catalog.get(hash);
  return entry?.pack === pack.id && entry.offset === offset ? entry : undefined;
}
