import { hashName, type KeyHash, type ObjectName, type Stamp } from '#contracts';
import { needsEtag, stampForPut, stampForRemoval, tombstoneBeats, type PresentCopy } from '../commit-rules.js';
import type { PutOptions, RemoveOptions, RemoveResult, ShardInfo } from '../shard-store.js';
import { unlinkIfThere } from './disk-access.js';
import { findObject, shardInfo } from './find-object.js';
import type { LargeFileWriter, WrittenBytes } from './large-file-writer.js';
import { ENTRY_KINDS, type EntryKind, type IndexEntry } from './object-index.js';
import { bareRecord } from './pack-record.js';
import type { RecordLocation } from './pack-writer.js';
import { RECORD_TYPES, encodeMeta, type RecordHeader, type RecordType } from './record-header.js';
import { isObject } from './store-catalog.js';
import type { StoreParts } from './store-parts.js';

/** Makes a small object durable in a pack, then visible. */
export function commitSmall(
  parts: StoreParts,
  name: ObjectName,
  payload: Buffer,
  written: WrittenBytes,
  options: PutOptions,
): Promise<ShardInfo> {
  const hash = hashName(name);
  return parts.locks.run(hash, async () => {
    const { header, meta, info } = await describe(parts, RECORD_TYPES.put, name, hash, written, options);
    const location = await parts.writer.append({ header, meta, payload });
    await replace(parts, hash, indexEntry(header, ENTRY_KINDS.packed, location));
    return info;
  });
}

/** Makes a large object durable under its name, then visible. */
export function commitLarge(
  parts: StoreParts,
  name: ObjectName,
  file: LargeFileWriter,
  written: WrittenBytes,
  options: PutOptions,
): Promise<ShardInfo> {
  const hash = hashName(name);
  return parts.locks.run(hash, async () => {
    const { header, meta, info } = await describe(parts, RECORD_TYPES.file, name, hash, written, options);
    await file.publish(header, meta);
    await replace(parts, hash, indexEntry(header, ENTRY_KINDS.file, { pack: 0, offset: 0, length: header.size }));
    parts.background.run(`recording the file of ${hash}`, () => recordFile(parts, header));
    return info;
  });
}

export function commitRemoval(parts: StoreParts, hash: KeyHash, options: RemoveOptions): Promise<RemoveResult> {
  return parts.locks.run(hash, async () => {
    options.signal?.throwIfAborted();
    const entry = parts.catalog.get(hash);
    const existed = entry !== undefined && isObject(entry);
    const stamp = stampForRemoval(options, await presentCopy(parts, hash, options), parts.stamps);
    if (existed || options.remember === true) await bury(parts, hash, stamp);
    return { existed, stamp };
  });
}

/** As ShardCatalog.bury. */
export function commitBurial(parts: StoreParts, hash: KeyHash, stamp: Stamp): Promise<void> {
  return parts.locks.run(hash, async () => {
    if (tombstoneBeats(stamp, presentState(parts.catalog.get(hash)))) await bury(parts, hash, stamp);
  });
}

/** As ShardCatalog.forget. */
export function commitForgetting(parts: StoreParts, hash: KeyHash, upTo: Stamp): Promise<void> {
  return parts.locks.run(hash, async () => {
    const entry = parts.catalog.get(hash);
    if (entry === undefined || entry.kind === ENTRY_KINDS.forgotten || entry.stamp > upTo) return;
    await replaceByBareRecord(parts, hash, RECORD_TYPES.forget, ENTRY_KINDS.forgotten, entry.stamp);
  });
}

/** A record that says which file must be there. Not waited for: it is what tells a missing file from an absent key. */
export async function recordFile(parts: StoreParts, file: Pick<RecordHeader, 'hash' | 'stamp' | 'sequence' | 'size'>) {
  const { hash, stamp, sequence, size } = file;
  const { pack, offset } = await parts.writer.append(
    bareRecord({ type: RECORD_TYPES.file, hash, stamp, sequence, size }),
  );
  const entry = parts.catalog.get(hash);
  if (entry?.sequence === sequence && isObject(entry)) parts.catalog.set(hash, { ...entry, pack, offset });
}

async function describe(
  parts: StoreParts,
  type: RecordType,
  name: ObjectName,
  hash: KeyHash,
  { size, etag, crc }: WrittenBytes,
  options: PutOptions,
) {
  options.signal?.throwIfAborted();
  const attributes = options.attributes ?? {};
  const { meta, nameBytes, contentTypeBytes, cacheControlBytes, contentEncodingBytes, metaCrc } = encodeMeta({
    etag,
    name,
    attributes,
  });
  const present = await presentCopy(parts, hash, options);
  const stamp = stampForPut(options, etag.toString('hex'), present, parts.stamps);
  const modifiedMs = options.move?.modifiedMs ?? Date.now();
  const sequence = parts.catalog.nextSequence();
  // Written out, since spreading costs more than all the rest of a small put.
  const header: RecordHeader = {
    type,
    nameBytes,
    contentTypeBytes,
    cacheControlBytes,
    contentEncodingBytes,
    syncedOffset: 0,
    size,
    stamp,
    modifiedMs,
    sequence,
    hash,
    metaCrc,
    payloadCrc: crc,
  };
  return { header, meta, info: shardInfo({ header, etag, name, attributes }) };
}

/** What the rules of a commit need to know of the present copy; its entity tag is read from the disk only if it matters. */
export async function presentCopy(
  parts: StoreParts,
  hash: KeyHash,
  options: PutOptions & RemoveOptions,
): Promise<PresentCopy | undefined> {
  const present = presentState(parts.catalog.get(hash));
  if (present === undefined || !needsEtag(options, present)) return present;
  const found = await findObject(parts, hash);
  if (found !== undefined && 'descriptor' in found) await parts.disk.close(found.descriptor);
  return found && { stamp: found.header.stamp, removed: false, etag: found.etag.toString('hex') };
}

function presentState(entry: IndexEntry | undefined): PresentCopy | undefined {
  if (entry === undefined || entry.kind === ENTRY_KINDS.forgotten) return undefined;
  return { stamp: entry.stamp, removed: entry.kind === ENTRY_KINDS.tombstone };
}

function bury(parts: StoreParts, hash: KeyHash, stamp: Stamp): Promise<void> {
  return replaceByBareRecord(parts, hash, RECORD_TYPES.tombstone, ENTRY_KINDS.tombstone, stamp);
}

async function replaceByBareRecord(
  parts: StoreParts,
  hash: KeyHash,
  type: RecordType,
  kind: EntryKind,
  stamp: Stamp,
): Promise<void> {
  const record = bareRecord({ type, hash, stamp, sequence: parts.catalog.nextSequence() });
  const location = await parts.writer.append(record);
  await replace(parts, hash, indexEntry(record.header, kind, location));
}

function indexEntry({ stamp, sequence }: RecordHeader, kind: EntryKind, location: RecordLocation): IndexEntry {
  const { pack, offset, length } = location;
  return { kind, stamp, sequence, length, pack, offset, damaged: false };
}

/** Makes a durable change visible; then the file of what it replaced can go. */
async function replace(parts: StoreParts, hash: KeyHash, entry: IndexEntry): Promise<void> {
  const before = parts.catalog.get(hash);
  parts.catalog.change(hash, entry);
  if (before !== undefined) await removeFileOf(parts, hash, before);
}

/** A file that stays behind is dead by its sequence number; the next start sweeps it. */
async function removeFileOf(
  { disk, layout, catalog, onEvent }: StoreParts,
  hash: KeyHash,
  entry: IndexEntry,
): Promise<void> {
  const name = { hash, ...entry };
  const paths =
    entry.kind === ENTRY_KINDS.file
      ? [layout.objectPath(name)]
      : entry.kind === ENTRY_KINDS.quarantined
        ? [layout.quarantinePath(name)]
        : [];
  for (const path of paths) {
    await unlinkIfThere(disk, path).catch((error: unknown) => {
      catalog.strayFiles += 1;
      onEvent({ kind: 'upkeep-failed', doing: `removing ${path}`, error });
    });
  }
}
