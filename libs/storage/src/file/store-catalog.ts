import type { CatalogEntry } from '../shard-store.js';
import type { KeyHash, Stamp } from '#contracts';
import { ENTRY_KINDS, ObjectIndex, type EntryKind, type IndexEntry } from './object-index.js';
import type { PackFiles } from './pack-files.js';
import { BARE_RECORD_BYTES } from './pack-record.js';

/** What the store knows without the disk: the index, what is counted over it, and who wants to hear of changes. */
export class StoreCatalog {
  private readonly index = new ObjectIndex();
  private readonly listeners = new Set<(entry: CatalogEntry) => void>();
  private sequence = 0;
  objects = 0;
  damagedObjects = 0;
  /** Of the objects in files of their own. */
  fileBytes = 0;
  /** Dead files that could not be removed; the next start does it. */
  strayFiles = 0;
  latestStamp: Stamp = 0;

  constructor(private readonly packs: PackFiles) {}

  get(hash: KeyHash): IndexEntry | undefined {
    return this.index.get(hash);
  }

  /** All, or those of some kinds. Tolerates changes while it is read. */
  all(kinds?: readonly EntryKind[]): Iterable<[KeyHash, IndexEntry]> {
    return this.index.entries(kinds);
  }

  /** The number of the next change. */
  nextSequence(): number {
    this.sequence += 1;
    return this.sequence;
  }

  /** Sets the state of a key and tells the listeners. */
  change(hash: KeyHash, entry: IndexEntry): void {
    this.set(hash, entry);
    const visible = catalogEntry(hash, entry);
    if (visible !== undefined) for (const listener of this.listeners) listener(visible);
  }

  /** Sets what is known of a key's record, when nothing changed for those who read it. */
  set(hash: KeyHash, entry: IndexEntry): void {
    const before = this.index.get(hash);
    if (before !== undefined) this.count(before, -1);
    this.count(entry, 1);
    this.index.set(hash, entry);
    this.latestStamp = Math.max(this.latestStamp, entry.stamp);
    this.sequence = Math.max(this.sequence, entry.sequence);
  }

  drop(hash: KeyHash): void {
    const before = this.index.get(hash);
    if (before === undefined) return;
    this.count(before, -1);
    this.index.delete(hash);
  }

  onChange(listener: (entry: CatalogEntry) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private count(entry: IndexEntry, sign: 1 | -1): void {
    if (isObject(entry)) this.objects += sign;
    if (entry.damaged) this.damagedObjects += sign;
    if (entry.kind === ENTRY_KINDS.file) this.fileBytes += sign * entry.length;
    const pack = this.packs.get(entry.pack);
    if (pack === undefined) return;
    pack.liveBytes += sign * packedBytes(entry);
    pack.liveRecords += sign;
  }
}

export function isObject({ kind }: IndexEntry): boolean {
  return kind === ENTRY_KINDS.packed || kind === ENTRY_KINDS.file || kind === ENTRY_KINDS.quarantined;
}

/** Undefined for what is no business of others. */
export function catalogEntry(hash: KeyHash, entry: IndexEntry): CatalogEntry | undefined {
  if (entry.kind === ENTRY_KINDS.forgotten) return undefined;
  return { hash, stamp: entry.stamp, removed: entry.kind === ENTRY_KINDS.tombstone };
}

/** The length of the entry's record in its pack. */
export function packedBytes({ kind, length }: IndexEntry): number {
  return kind === ENTRY_KINDS.file || kind === ENTRY_KINDS.quarantined ? BARE_RECORD_BYTES : length;
}
