import type { BufferPool } from '../buffer-pool.js';
import type { ByteRange, Sink } from '../shard-store.js';
import { BLOCK_BYTES, BlockVerifier } from './block-checksums.js';
import { readFully } from './disk-access.js';
import type { Disk } from './disk.js';

/** A block of a large file fails its checksum, or is not there. */
export class DamagedBlock extends Error {
  constructor(readonly block: number) {
    super(`Block ${block} does not match its checksum.`);
  }
}

/** The disk failed; `cause` is its error. Errors of the sink are thrown as they are. */
export class BlockUnreadable extends Error {
  constructor(cause: unknown) {
    super('A block cannot be read.', { cause });
  }
}

export interface LargeFile {
  disk: Disk;
  buffers: BufferPool;
  descriptor: number;
  size: number;
}

/**
 * Feeds a range to the sink: whole blocks are read into one buffer while the other is verified and
 * sent. Throws DamagedBlock before any byte of a bad block is fed.
 */
export async function copyLargeFile(
  file: LargeFile,
  range: ByteRange,
  sink: Sink,
  signal?: AbortSignal,
): Promise<void> {
  const verifier = new BlockVerifier(file.disk, file.descriptor, file.size);
  const ring = new ReadRing(file, range);
  try {
    for (let piece = ring.next(); piece !== undefined; piece = ring.next()) {
      signal?.throwIfAborted();
      const first = piece.position / BLOCK_BYTES;
      const bytes = await readable(piece.bytes);
      await readable(verifier.load(first, Math.ceil(piece.wanted / BLOCK_BYTES)));
      ring.readAhead();
      if (bytes.length < piece.wanted) throw new DamagedBlock(first + Math.floor(bytes.length / BLOCK_BYTES));
      const damaged = verifier.findDamaged(first, bytes);
      if (damaged !== undefined) throw new DamagedBlock(damaged);
      const from = Math.max(0, range.first - piece.position);
      await sink(bytes.subarray(from, range.last + 1 - piece.position));
    }
  } finally {
    await ring.close();
  }
}

async function readable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw new BlockUnreadable(error);
  }
}

interface Piece {
  /** A multiple of the block size. */
  position: number;
  wanted: number;
  bytes: Promise<Buffer>;
}

/** Two buffers in turn: while one is in the caller's hands, the other is being filled. */
class ReadRing {
  private readonly held: Buffer[] = [];
  private position: number;
  private readonly end: number;
  private ahead: Piece | undefined;
  private turn = 0;

  constructor(
    private readonly file: LargeFile,
    range: ByteRange,
  ) {
    this.position = range.first - (range.first % BLOCK_BYTES);
    this.end = Math.min(file.size, range.last + BLOCK_BYTES - (range.last % BLOCK_BYTES));
  }

  /** The next piece. The one before must be done with. */
  next(): Piece | undefined {
    const piece = this.ahead ?? this.read();
    this.ahead = undefined;
    return piece;
  }

  readAhead(): void {
    this.ahead = this.read();
  }

  async close(): Promise<void> {
    await this.ahead?.bytes.catch(() => {});
    for (const buffer of this.held) this.file.buffers.give(buffer);
  }

  private read(): Piece | undefined {
    if (this.position >= this.end) return undefined;
    const buffer = (this.held[this.turn] ??= this.file.buffers.take());
    this.turn = 1 - this.turn;
    const position = this.position;
    const wanted = Math.min(buffer.length, this.end - position);
    this.position += wanted;
    const into = buffer.subarray(0, wanted);
    const bytes = readFully(this.file.disk, this.file.descriptor, into, position).then(count =>
      into.subarray(0, count),
    );
    bytes.catch(() => {});
    return { position, wanted, bytes };
  }
}
