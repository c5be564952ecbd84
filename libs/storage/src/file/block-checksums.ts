import { crc32c } from '@node-rs/crc32';
import { readFully, unlinkIfThere, writeFully } from './disk-access.js';
import { shiftCrc32c } from './crc32c-shift.js';
import type { Disk } from './disk.js';

export const BLOCK_BYTES = 32 * 1024;
const CHECKSUM_BYTES = 4;

/** The checksum of a block: CRC-32C that starts from the block's number, so that no block passes for another. */
export function blockChecksum(block: Buffer, number: number): number {
  return crc32c(block, number >>> 0);
}

export function blocksOf(size: number): number {
  return Math.ceil(size / BLOCK_BYTES);
}

export function checksumTableBytes(size: number): number {
  return blocksOf(size) * CHECKSUM_BYTES;
}

/** The checksums of an object that is being written, of its blocks and of all of it. They spill to a side file, so that memory does not grow with the object. */
export class BlockChecksums {
  private readonly table = Buffer.allocUnsafe(TABLE_BYTES);
  private used = 0;
  private spilled = 0;
  private side: number | undefined;
  private blocks = 0;
  private current = 0;
  private inBlock = 0;
  /** Of all blocks that have ended. */
  private ofBlocks = 0;

  constructor(
    private readonly disk: Disk,
    private readonly sidePath: string,
  ) {}

  /** The CRC-32C of all bytes so far: from those of the blocks, without touching the bytes again. */
  get whole(): number {
    if (this.inBlock === 0) return this.ofBlocks;
    return (this.current ^ shiftCrc32c(this.ofBlocks ^ this.blocks, this.inBlock)) >>> 0;
  }

  /** The object's next bytes, in pieces of any length. */
  async update(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + BLOCK_BYTES - this.inBlock);
      const before = this.inBlock === 0 ? this.blocks >>> 0 : this.current;
      this.current = crc32c(bytes.subarray(at, end), before);
      this.inBlock += end - at;
      at = end;
      if (this.inBlock === BLOCK_BYTES) await this.endBlock();
    }
  }

  /** Appends the table to the object's file. Returns the position behind it. */
  async writeTo(descriptor: number, position: number): Promise<number> {
    if (this.inBlock > 0) await this.endBlock();
    const copy = Buffer.allocUnsafe(Math.min(this.spilled, TABLE_BYTES));
    for (let at = 0; at < this.spilled; at += copy.length) {
      const piece = copy.subarray(0, Math.min(copy.length, this.spilled - at));
      await readFully(this.disk, this.sideFile(), piece, at);
      await writeFully(this.disk, descriptor, piece, position + at);
    }
    await writeFully(this.disk, descriptor, this.table.subarray(0, this.used), position + this.spilled);
    return position + this.spilled + this.used;
  }

  async close(): Promise<void> {
    if (this.side === undefined) return;
    await this.disk.close(this.side);
    await unlinkIfThere(this.disk, this.sidePath);
  }

  private async endBlock(): Promise<void> {
    if (this.used === TABLE_BYTES) await this.spill();
    this.table.writeUInt32LE(this.current, this.used);
    this.used += CHECKSUM_BYTES;
    this.ofBlocks = this.whole;
    this.blocks += 1;
    this.inBlock = 0;
  }

  private async spill(): Promise<void> {
    this.side ??= await this.disk.open(this.sidePath, 'wx+');
    await writeFully(this.disk, this.side, this.table, this.spilled);
    this.spilled += this.used;
    this.used = 0;
  }

  private sideFile(): number {
    if (this.side === undefined) throw new Error('Nothing was spilled.');
    return this.side;
  }
}

/** Enough for an object of 512 MiB. */
const TABLE_BYTES = 64 * 1024;

/** The checksums of an object that is being read, a stretch of the table at a time. */
export class BlockVerifier {
  private stretch = Buffer.alloc(0);
  private firstBlock = 0;

  constructor(
    private readonly disk: Disk,
    private readonly descriptor: number,
    private readonly size: number,
  ) {}

  /** Loads the checksums of the blocks that `verify` will be asked about. */
  async load(block: number, count: number): Promise<void> {
    const loaded = this.stretch.length / CHECKSUM_BYTES;
    if (block >= this.firstBlock && block + count <= this.firstBlock + loaded) return;
    const wanted = Math.min(blocksOf(this.size) - block, Math.max(count, READ_AHEAD_BLOCKS));
    const bytes = Buffer.allocUnsafe(wanted * CHECKSUM_BYTES);
    const read = await readFully(this.disk, this.descriptor, bytes, this.size + block * CHECKSUM_BYTES);
    this.stretch = bytes.subarray(0, read);
    this.firstBlock = block;
  }

  /** Whether these bytes are the whole blocks from `first` on. The number of the first that is not, or undefined. */
  findDamaged(first: number, bytes: Buffer): number | undefined {
    for (let at = 0, block = first; at < bytes.length; at += BLOCK_BYTES, block += 1) {
      const entry = (block - this.firstBlock) * CHECKSUM_BYTES;
      if (entry + CHECKSUM_BYTES > this.stretch.length) return block;
      const found = blockChecksum(bytes.subarray(at, at + BLOCK_BYTES), block);
      if (found !== this.stretch.readUInt32LE(entry)) return block;
    }
    return undefined;
  }
}

const READ_AHEAD_BLOCKS = 1024;
