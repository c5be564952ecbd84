import { randomInt } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { diskError, syncDirectory, writeFully } from './disk-access.js';
import type { Disk } from './disk.js';
import { errnoOf } from './errno.js';
import { PACK_HEADER, packFile, type Pack, type PackFiles } from './pack-files.js';
import { PackEntries, packEntry, writeHint } from './pack-hint.js';
import { BARE_RECORD_BYTES, bareRecord, encodeRecord, recordBytes, type PackRecord } from './pack-record.js';
import { RECORD_TYPES } from './record-header.js';
import type { SpaceReserve } from './space-reserve.js';
import type { StorageEventListener } from './storage-events.js';
import type { StoreLayout } from './store-layout.js';

export interface PackWriterOptions {
  disk: Disk;
  layout: StoreLayout;
  packs: PackFiles;
  reserve: SpaceReserve;
  firstPackId: number;
  packSizeBytes: number;
  onEvent: StorageEventListener;
}

/** Where a record is. */
export interface RecordLocation {
  pack: number;
  offset: number;
  length: number;
}

/**
 * Appends records to packs with group commit: whatever waits is written and made durable with one write
 * (and one fdatasync, where writes are not durable by themselves), while the next batch gathers.
 *
 * A pack whose write or sync failed is not touched again but to cut off what was not acknowledged
 * (after a failed fsync the page cache proves nothing); writing goes on in a new pack.
 */
export class PackWriter {
  private pending: PendingRecord[] = [];
  private arena = Buffer.allocUnsafeSlow(MIN_ARENA_BYTES);
  private open: OpenPack | undefined;
  private running: Promise<void> | undefined;
  private sealing = new Set<Promise<void>>();
  private markTimer: NodeJS.Timeout | undefined;
  private nextPackId: number;

  constructor(private readonly options: PackWriterOptions) {
    this.nextPackId = options.firstPackId;
  }

  /** Resolves when the record is durable. Its buffers belong to the writer until then. */
  append(record: PackRecord): Promise<RecordLocation> {
    return new Promise((resolve, reject) => {
      this.pending.push({ record, length: recordBytes(record.header), retried: false, resolve, reject });
      this.start();
    });
  }

  /** The pack being written, and what is in it. */
  get current(): { pack: Pack; entries: PackEntries } | undefined {
    return this.open;
  }

  /** Ends the pack being written, so that it can be compacted. */
  async seal(): Promise<void> {
    while (this.running !== undefined) await this.running;
    await this.sealOpen();
    await Promise.all(this.sealing);
  }

  async close(): Promise<void> {
    clearTimeout(this.markTimer);
    await this.seal();
  }

  private start(): void {
    this.running ??= this.run().finally(() => {
      this.running = undefined;
      if (this.pending.length > 0) this.start();
    });
  }

  private async run(): Promise<void> {
    clearTimeout(this.markTimer);
    while (this.pending.length > 0) {
      // A turn of the event loop lets those join whom the last batch has just answered.
      await nextTurn();
      await this.commit(this.takeBatch());
    }
    this.markTimer = setTimeout(() => this.mark(), MARK_AFTER_MS).unref();
  }

  private takeBatch(): PendingRecord[] {
    let bytes = 0;
    let count = 0;
    for (const { length } of this.pending) {
      if (count > 0 && bytes + length > MAX_BATCH_BYTES) break;
      bytes += length;
      count += 1;
    }
    return this.pending.splice(0, count);
  }

  private async commit(batch: PendingRecord[]): Promise<void> {
    let open: OpenPack | undefined;
    try {
      open = this.open ??= await this.create();
      const { disk } = this.options;
      const { pack, descriptor } = open;
      await writeFully(disk, descriptor, this.encode(batch, open), pack.size);
      if (!open.syncsWrites) await disk.fdatasync(descriptor);
      this.acknowledge(batch, open);
      if (pack.size >= this.options.packSizeBytes) await this.sealOpen();
    } catch (error) {
      if (open !== undefined) await this.abandon(open, error);
      await this.refuse(batch, error);
    }
  }

  private encode(batch: PendingRecord[], open: OpenPack): Buffer {
    const total = batch.reduce((sum, { length }) => sum + length, 0);
    if (total > this.arena.length) this.arena = Buffer.allocUnsafeSlow(Math.max(total, this.arena.length * 2));
    let at = 0;
    for (const { record } of batch) {
      record.header.syncedOffset = open.syncedOffset;
      at += encodeRecord(record, open.pack.salt, this.arena, at);
    }
    return this.arena.subarray(0, at);
  }

  private acknowledge(batch: PendingRecord[], open: OpenPack): void {
    const { pack, entries } = open;
    for (const { record, length, resolve } of batch) {
      const { header } = record;
      const offset = pack.size;
      entries.add(packEntry(header, length, offset));
      pack.size += length;
      pack.records += 1;
      resolve({ pack: pack.id, offset, length });
    }
    open.syncedOffset = pack.size;
  }

  private async create(): Promise<OpenPack> {
    const { disk, layout, packs } = this.options;
    const pack = packFile(layout.packs, this.nextPackId, randomInt(2 ** 32));
    const synced = await disk.createSynced(pack.path);
    const descriptor = synced ?? (await disk.open(pack.path, 'wx'));
    this.nextPackId += 1;
    try {
      await writeFully(disk, descriptor, PACK_HEADER, 0);
      await syncDirectory(disk, layout.packs);
    } catch (error) {
      await disk.close(descriptor).catch(() => {});
      await disk.unlink(pack.path).catch(() => {});
      throw error;
    }
    pack.size = PACK_HEADER.length;
    packs.add(pack);
    const syncsWrites = synced !== undefined;
    return { pack, descriptor, syncsWrites, syncedOffset: pack.size, entries: new PackEntries() };
  }

  /** An idle pack gets a mark, so that rot in its last batch is not mistaken for a write that a crash cut off. */
  private mark(): void {
    if (this.running !== undefined || this.open === undefined || this.open.syncedOffset < this.open.pack.size) return;
    this.running = this.writeMark(this.open).finally(() => {
      this.running = undefined;
      if (this.pending.length > 0) this.start();
    });
  }

  private async writeMark(open: OpenPack): Promise<void> {
    const { pack, descriptor, syncedOffset } = open;
    const bytes = Buffer.alloc(BARE_RECORD_BYTES);
    encodeRecord(bareRecord({ type: RECORD_TYPES.mark, syncedOffset }), pack.salt, bytes, 0);
    try {
      await writeFully(this.options.disk, descriptor, bytes, pack.size);
      pack.size += bytes.length;
    } catch (error) {
      await this.abandon(open, error);
    }
  }

  private async sealOpen(): Promise<void> {
    const open = this.open;
    if (open === undefined) return;
    this.open = undefined;
    await this.options.disk.close(open.descriptor).catch(() => {});
    this.finish(open);
  }

  private async abandon(open: OpenPack, error: unknown): Promise<void> {
    const { disk, onEvent } = this.options;
    this.open = undefined;
    await disk.truncate(open.descriptor, open.pack.size).catch(() => {});
    await disk.close(open.descriptor).catch(() => {});
    onEvent({ kind: 'pack-abandoned', path: open.pack.path, error });
    this.finish(open);
  }

  /** Writes the hint, which says where the acknowledged records end, or removes the pack if it has none. */
  private finish({ pack, entries }: OpenPack): void {
    const { disk, layout, packs, onEvent } = this.options;
    const paths = { temporary: layout.temporaryPath(), path: pack.hintPath, directory: layout.packs };
    const finishing = (
      entries.count === 0 ? packs.drop(pack) : writeHint(disk, paths, { entries, end: pack.size }, pack.salt)
    )
      .catch((error: unknown) => onEvent({ kind: 'upkeep-failed', doing: `sealing ${pack.path}`, error }))
      .finally(() => {
        pack.sealed = true;
        this.sealing.delete(finishing);
      });
    this.sealing.add(finishing);
  }

  /** A removal that finds no space gives up the reserve and is tried once more. */
  private async refuse(batch: PendingRecord[], error: unknown): Promise<void> {
    const errno = errnoOf(error);
    const retry =
      (errno === 'ENOSPC' || errno === 'EDQUOT') && (await this.options.reserve.release())
        ? batch.filter(({ record, retried }) => !retried && record.header.type !== RECORD_TYPES.put)
        : [];
    for (const pending of retry) pending.retried = true;
    this.pending.unshift(...retry);
    const refusal = diskError(error, 'appending to a pack');
    for (const pending of batch) if (!retry.includes(pending)) pending.reject(refusal);
  }
}

interface PendingRecord {
  record: PackRecord;
  length: number;
  retried: boolean;
  resolve(location: RecordLocation): void;
  reject(error: unknown): void;
}

interface OpenPack {
  pack: Pack;
  descriptor: number;
  syncsWrites: boolean;
  /** Everything before is durable. */
  syncedOffset: number;
  entries: PackEntries;
}

const MIN_ARENA_BYTES = 64 * 1024;
const MAX_BATCH_BYTES = 1024 * 1024;
const MARK_AFTER_MS = 100;
