import { crc32c } from '@node-rs/crc32';
import type { KeyHash } from '#contracts';
import { readFully, withFile, writeFileDurably } from './disk-access.js';
import type { Disk } from './disk.js';
import { RECORD_TYPES, readUint53, writeUint53, type RecordHeader, type RecordType } from './record-header.js';

/** What the index needs to know of one record. */
export interface PackEntry {
  hash: KeyHash;
  type: RecordType;
  stamp: number;
  sequence: number;
  /** Of the record; in a `file` record, of the object. */
  length: number;
  offset: number;
}

/** The entry of a record of `length` bytes. */
export function packEntry(
  { hash, type, stamp, sequence, size }: RecordHeader,
  length: number,
  offset: number,
): PackEntry {
  return { hash, type, stamp, sequence, length: type === RECORD_TYPES.file ? size : length, offset };
}

/** The entries of one pack in the order of their records, packed as the hint file has them. */
export class PackEntries {
  private bytes = Buffer.allocUnsafe(ENTRY_BYTES * 64);
  count = 0;

  add(entry: PackEntry): void {
    const at = this.count * ENTRY_BYTES;
    if (at + ENTRY_BYTES > this.bytes.length) {
      this.bytes = Buffer.concat([this.bytes], this.bytes.length * 2);
    }
    this.bytes.write(entry.hash, at, 'hex');
    writeUint53(this.bytes, entry.stamp, at + 16);
    writeUint53(this.bytes, entry.sequence, at + 24);
    writeUint53(this.bytes, entry.length, at + 32);
    this.bytes.writeUInt32LE(entry.offset, at + 40);
    this.bytes.writeUInt32LE(entry.type, at + 44);
    this.count += 1;
  }

  *[Symbol.iterator](): Iterator<PackEntry> {
    for (let at = 0; at < this.count * ENTRY_BYTES; at += ENTRY_BYTES) {
      yield {
        hash: this.bytes.toString('hex', at, at + 16) as KeyHash,
        stamp: readUint53(this.bytes, at + 16),
        sequence: readUint53(this.bytes, at + 24),
        length: readUint53(this.bytes, at + 32),
        offset: this.bytes.readUInt32LE(at + 40),
        type: this.bytes.readUInt32LE(at + 44) as RecordType,
      };
    }
  }

  /** Each section with its checksum. */
  encode(salt: number): Buffer {
    const sections: Buffer[] = [];
    for (let first = 0; first < this.count; first += SECTION_ENTRIES) {
      const last = Math.min(first + SECTION_ENTRIES, this.count);
      const section = this.bytes.subarray(first * ENTRY_BYTES, last * ENTRY_BYTES);
      const checksum = Buffer.allocUnsafe(4);
      checksum.writeUInt32LE(crc32c(section, salt));
      sections.push(section, checksum);
    }
    return Buffer.concat(sections);
  }

  /** Undefined when a section fails its checksum. */
  static decode(sections: Buffer, count: number, salt: number): PackEntries | undefined {
    const entries = new PackEntries();
    entries.bytes = Buffer.allocUnsafe(count * ENTRY_BYTES);
    let at = 0;
    while (entries.count < count) {
      const inSection = Math.min(SECTION_ENTRIES, count - entries.count);
      const end = at + inSection * ENTRY_BYTES;
      if (end + 4 > sections.length) return undefined;
      const section = sections.subarray(at, end);
      if (crc32c(section, salt) !== sections.readUInt32LE(end)) return undefined;
      section.copy(entries.bytes, entries.count * ENTRY_BYTES);
      entries.count += inSection;
      at = end + 4;
    }
    return entries;
  }
}

const ENTRY_BYTES = 48;
const SECTION_ENTRIES = 1024;
const HINT_HEADER_BYTES = 24;
const HINT_MAGIC = Buffer.from('GRNi');
const HINT_VERSION = 1;

/** What is known of a sealed pack: its entries, and where they end. What a pack has behind `end` never counts. */
export interface PackHint {
  entries: PackEntries;
  end: number;
}

export async function writeHint(
  disk: Disk,
  paths: { temporary: string; path: string; directory: string },
  { entries, end }: PackHint,
  salt: number,
): Promise<void> {
  const header = Buffer.alloc(HINT_HEADER_BYTES);
  HINT_MAGIC.copy(header);
  header.writeUInt32LE(HINT_VERSION, 4);
  header.writeUInt32LE(entries.count, 8);
  header.writeUInt32LE(end, 12);
  header.writeUInt32LE(crc32c(header.subarray(0, 20), salt), 20);
  await writeFileDurably(disk, paths, Buffer.concat([header, entries.encode(salt)]));
}

/** Undefined when there is none, or it is damaged: the pack itself must then be scanned. */
export async function readHint(disk: Disk, path: string, salt: number): Promise<PackHint | undefined> {
  const bytes = await readWhole(disk, path).catch(() => undefined);
  if (bytes === undefined || bytes.length < HINT_HEADER_BYTES) return undefined;
  const rightKind = bytes.subarray(0, 4).equals(HINT_MAGIC) && bytes.readUInt32LE(4) === HINT_VERSION;
  if (!rightKind || bytes.readUInt32LE(20) !== crc32c(bytes.subarray(0, 20), salt)) return undefined;
  const entries = PackEntries.decode(bytes.subarray(HINT_HEADER_BYTES), bytes.readUInt32LE(8), salt);
  return entries && { entries, end: bytes.readUInt32LE(12) };
}

async function readWhole(disk: Disk, path: string): Promise<Buffer> {
  return withFile(disk, path, 'r', async descriptor => {
    const bytes = Buffer.allocUnsafe(await disk.fileSize(descriptor));
    return bytes.subarray(0, await readFully(disk, descriptor, bytes, 0));
  });
}
