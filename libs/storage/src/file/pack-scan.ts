import { crc32c } from '@node-rs/crc32';
import { readFully } from './disk-access.js';
import type { Disk } from './disk.js';
import { PACK_HEADER_BYTES } from './pack-files.js';
import { PackEntries, packEntry, type PackHint } from './pack-hint.js';
import { RECORD_ALIGNMENT, recordBytes } from './pack-record.js';
import { HEADER_BYTES, MAGIC, RECORD_TYPES, decodeHeader, metaBytes, type RecordHeader } from './record-header.js';

/** What a pack without a hint turns out to hold. */
export interface ScannedPack extends PackHint {
  /** Records that fail their checksums and had been durable once. They are in the entries: their keys must not read as absent. */
  damagedRecords: number;
  /** Bytes that had been durable and of which not even the key can be told any more. */
  lostBytes: number;
}

/**
 * Reads a pack from its start. A record that fails its checksums is of one of two kinds: behind
 * everything that is known to have been durable (`syncedOffset`) it is a write that a crash cut off,
 * and never counted; before that it is bit rot, and costs this record alone.
 */
export async function scanPack(disk: Disk, descriptor: number, salt: number): Promise<ScannedPack> {
  const window = new ScanWindow(disk, descriptor, await disk.fileSize(descriptor));
  const records: FoundRecord[] = [];
  const gaps: { from: number; to: number }[] = [];
  let syncedOffset = 0;
  let offset = PACK_HEADER_BYTES;
  while (offset + HEADER_BYTES <= window.size) {
    const found = await recordAt(window, offset, salt);
    if (found === undefined) {
      const { next, record } = await resync(window, offset, salt);
      gaps.push({ from: offset, to: record?.offset ?? next });
      if (record !== undefined) records.push(record);
      offset = next;
    } else {
      records.push(found);
      offset += recordBytes(found.header);
    }
    syncedOffset = Math.max(syncedOffset, records.at(-1)?.header.syncedOffset ?? 0);
  }
  return summary(records, gaps, syncedOffset);
}

interface FoundRecord {
  header: RecordHeader;
  offset: number;
  whole: boolean;
}

async function recordAt(window: ScanWindow, offset: number, salt: number): Promise<FoundRecord | undefined> {
  const header = decodeHeader(await window.bytes(offset, HEADER_BYTES), 0, MAGIC.head, salt);
  if (header === undefined || header.size > MAX_SCANNED_BYTES) return undefined;
  return { header, offset, whole: await isWhole(window, header, offset) };
}

async function isWhole(window: ScanWindow, header: RecordHeader, offset: number): Promise<boolean> {
  const length = recordBytes(header);
  if (offset + length > window.size) return false;
  if (header.type !== RECORD_TYPES.put) return true;
  const bytes = await window.bytes(offset, length);
  const payloadAt = HEADER_BYTES + metaBytes(header);
  return (
    crc32c(bytes.subarray(HEADER_BYTES, payloadAt)) === header.metaCrc &&
    crc32c(bytes.subarray(payloadAt, payloadAt + header.size)) === header.payloadCrc
  );
}

/** Finds the next sound header behind a damaged one, or the repeated header that says whose record was damaged. */
async function resync(window: ScanWindow, from: number, salt: number): Promise<{ next: number; record?: FoundRecord }> {
  for (let at = from + RECORD_ALIGNMENT; at + HEADER_BYTES <= window.size; at += RECORD_ALIGNMENT) {
    const bytes = await window.bytes(at, HEADER_BYTES);
    if (decodeHeader(bytes, 0, MAGIC.head, salt) !== undefined) return { next: at };
    const header = decodeHeader(bytes, 0, MAGIC.tail, salt);
    if (header === undefined) continue;
    const offset = at + HEADER_BYTES - recordBytes(header);
    const next = at + HEADER_BYTES;
    return offset >= from ? { next, record: { header, offset, whole: false } } : { next };
  }
  return { next: window.size };
}

function summary(records: FoundRecord[], gaps: { from: number; to: number }[], syncedOffset: number): ScannedPack {
  const entries = new PackEntries();
  let damagedRecords = 0;
  let end = PACK_HEADER_BYTES;
  for (const { header, offset, whole } of records) {
    if (!whole && offset >= syncedOffset) continue;
    const length = recordBytes(header);
    end = Math.max(end, offset + length);
    if (!whole) damagedRecords += 1;
    if (header.type === RECORD_TYPES.mark) continue;
    entries.add(packEntry(header, length, offset));
  }
  const lostBytes = gaps
    .map(({ from, to }) => Math.min(to, syncedOffset) - from)
    .filter(bytes => bytes > 0)
    .reduce((sum, bytes) => sum + bytes, 0);
  return { entries, end, damagedRecords, lostBytes };
}

/** A longer record than any store writes is no record. */
const MAX_SCANNED_BYTES = 16 * 1024 * 1024;
const WINDOW_BYTES = 1024 * 1024;

/** Reads a file forwards through one buffer. What it gave is overwritten by the next call. */
class ScanWindow {
  private buffer = Buffer.allocUnsafe(WINDOW_BYTES);
  private start = 0;
  private filled = 0;

  constructor(
    private readonly disk: Disk,
    private readonly descriptor: number,
    readonly size: number,
  ) {}

  async bytes(offset: number, length: number): Promise<Buffer> {
    if (offset < this.start || offset + length > this.start + this.filled) await this.fill(offset, length);
    const at = offset - this.start;
    return this.buffer.subarray(at, Math.min(at + length, this.filled));
  }

  private async fill(offset: number, length: number): Promise<void> {
    if (length > this.buffer.length) this.buffer = Buffer.allocUnsafe(length);
    this.start = offset;
    this.filled = await readFully(this.disk, this.descriptor, this.buffer, offset);
  }
}
