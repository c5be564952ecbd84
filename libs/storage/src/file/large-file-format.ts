import { checksumTableBytes } from './block-checksums.js';
import { readFully } from './disk-access.js';
import type { Disk } from './disk.js';
import {
  HEADER_BYTES,
  MAGIC,
  decodeHeader,
  decodeMeta,
  metaBytes,
  type RecordHeader,
  type RecordMeta,
} from './record-header.js';

/** A large object's file: its bytes, the checksums of its blocks, meta, and a header that stands last. */
export interface LargeFileInfo extends RecordMeta {
  header: RecordHeader;
}

/** Undefined when the file is not the whole and undamaged file of an object. The blocks are not looked at. */
export async function readLargeFileInfo(disk: Disk, descriptor: number): Promise<LargeFileInfo | undefined> {
  const fileSize = await disk.fileSize(descriptor);
  const guess = await readTail(disk, descriptor, fileSize, Math.min(fileSize, GUESSED_TAIL_BYTES));
  const header = decodeHeader(guess, guess.length - HEADER_BYTES, MAGIC.file, 0);
  if (header === undefined) return undefined;
  const metaLength = metaBytes(header);
  if (fileSize !== header.size + checksumTableBytes(header.size) + metaLength + HEADER_BYTES) return undefined;
  const tailLength = metaLength + HEADER_BYTES;
  const tail = tailLength <= guess.length ? guess : await readTail(disk, descriptor, fileSize, tailLength);
  const meta = decodeMeta(header, tail.subarray(tail.length - tailLength, tail.length - HEADER_BYTES));
  return meta && { ...meta, header };
}

/** Longer than most names and attributes. */
const GUESSED_TAIL_BYTES = 1024;

async function readTail(disk: Disk, descriptor: number, fileSize: number, length: number): Promise<Buffer> {
  const tail = Buffer.allocUnsafe(length);
  return tail.subarray(0, await readFully(disk, descriptor, tail, fileSize - length));
}
