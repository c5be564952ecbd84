import type { KeyHash } from '#contracts';
import type { BufferPool } from '../buffer-pool.js';
import { contentHash, type ContentHasher } from '../content-hash.js';
import { checkTransfer } from '../damaged-transfer.js';
import { DigestComputation, declaredAlgorithms } from '../declared-digests.js';
import type { ExpectedDigests } from '../shard-store.js';
import { BlockChecksums } from './block-checksums.js';
import { readFully, syncDirectory, unlinkIfThere, writeFully } from './disk-access.js';
import type { Disk } from './disk.js';
import { errnoOf } from './errno.js';
import type { SpaceClaim } from './free-space.js';
import { ObjectFile } from './object-file.js';
import { HEADER_BYTES, MAGIC, encodeHeader, type RecordHeader } from './record-header.js';
import type { StoreLayout } from './store-layout.js';

export interface LargeFileWriterOptions {
  disk: Disk;
  buffers: BufferPool;
  layout: StoreLayout;
  expected: ExpectedDigests | undefined;
  claim: SpaceClaim;
}

/** What the bytes of a finished object turned out to be. */
export interface WrittenBytes {
  size: number;
  etag: Buffer;
  crc: number;
}

/**
 * Writes one large object: temporary name → write → sync → close → rename → sync the directory.
 * Chunks are gathered in one buffer while the one before is being written. Whatever fails, `abort`
 * leaves nothing.
 */
export class LargeFileWriter {
  private readonly checksums: BlockChecksums;
  private readonly digests: DigestComputation;
  private buffer: Buffer;
  private used = 0;
  private spare: Buffer | undefined;
  private position = 0;
  private writing: Promise<void> | undefined;
  private closed = false;
  private renamed = false;

  private constructor(
    private readonly options: LargeFileWriterOptions,
    private readonly temporaryPath: string,
    private readonly file: ObjectFile,
    private readonly hasher: ContentHasher,
  ) {
    this.checksums = new BlockChecksums(options.disk, `${temporaryPath}.checksums`);
    this.digests = new DigestComputation(declaredAlgorithms(options.expected));
    this.buffer = options.buffers.take();
  }

  static async create(options: LargeFileWriterOptions): Promise<LargeFileWriter> {
    const hasher = await contentHash.hasher();
    const temporaryPath = options.layout.temporaryPath();
    const file = await ObjectFile.create(options.disk, temporaryPath);
    return new LargeFileWriter(options, temporaryPath, file, hasher);
  }

  /** As ShardWriter. Most chunks are only gathered, which a promise for each would double the cost of. */
  write(chunk: Buffer): Promise<void> | undefined {
    const gathered = this.gather(chunk);
    return this.used < this.buffer.length ? undefined : this.writeRest(chunk.subarray(gathered));
  }

  /**
   * Ends the bytes, and checks that they are those that were `sent` (their CRC-32C), and their digests; those that come
   * only now cost another reading of the file.
   */
  async finish(expected: ExpectedDigests, sent: number | undefined): Promise<WrittenBytes> {
    await this.flush();
    await this.writing;
    checkTransfer(this.checksums.whole, sent);
    this.digests.check(expected);
    await this.checkLateDigests(expected);
    return { size: this.position, etag: this.hasher.digest(), crc: this.checksums.whole };
  }

  /** After `finish`: makes the object durable under its name. */
  async publish(header: RecordHeader, meta: Buffer): Promise<void> {
    const { disk, layout } = this.options;
    const path = layout.objectPath(header);
    const tableEnd = await this.checksums.writeTo(this.file.descriptor, this.position);
    const tail = Buffer.concat([meta, Buffer.alloc(HEADER_BYTES)]);
    encodeHeader(header, MAGIC.file, 0, tail, meta.length);
    await writeFully(disk, this.file.descriptor, tail, tableEnd);
    await this.file.sync();
    await this.close();
    await this.renameTo(path, header.hash);
    this.renamed = true;
    try {
      await syncDirectory(disk, layout.objectDirectory(header.hash));
    } catch (error) {
      await unlinkIfThere(disk, path).catch(() => {});
      throw error;
    }
  }

  /** Idempotent; never rejects; after `publish` it does nothing. Not while anything else is under way. */
  async abort(): Promise<void> {
    if (this.renamed) return;
    await this.writing?.catch(() => {});
    await this.close().catch(() => {});
    await unlinkIfThere(this.options.disk, this.temporaryPath).catch(() => {});
  }

  private async writeRest(chunk: Buffer): Promise<void> {
    await this.flush();
    for (let at = 0; at < chunk.length;) {
      at += this.gather(chunk.subarray(at));
      if (this.used === this.buffer.length) await this.flush();
    }
  }

  /** As much as there is room for. Returns how many bytes that were. */
  private gather(bytes: Buffer): number {
    const copied = bytes.copy(this.buffer, this.used);
    this.used += copied;
    return copied;
  }

  private async renameTo(path: string, hash: KeyHash): Promise<void> {
    const { disk, layout } = this.options;
    try {
      await disk.rename(this.temporaryPath, path);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      await layout.createObjectDirectory(disk, hash);
      await disk.rename(this.temporaryPath, path);
    }
  }

  private async flush(): Promise<void> {
    const bytes = this.buffer.subarray(0, this.used);
    if (bytes.length === 0) return;
    this.options.claim.wrote(bytes.length);
    this.hasher.update(bytes);
    this.digests.update(bytes);
    await this.checksums.update(bytes);
    await this.writing;
    const writing = this.file.write(bytes, this.position);
    // Whoever awaits it next sees the error; until then it must not count as unhandled.
    writing.catch(() => {});
    this.writing = writing;
    this.position += bytes.length;
    [this.buffer, this.spare] = [this.spare ?? this.options.buffers.take(), this.buffer];
    this.used = 0;
  }

  private async checkLateDigests(expected: ExpectedDigests): Promise<void> {
    const late = declaredAlgorithms(expected).filter(algorithm => !this.digests.algorithms.includes(algorithm));
    if (late.length === 0) return;
    const computation = new DigestComputation(late);
    for (let at = 0; at < this.position;) {
      const piece = this.buffer.subarray(0, Math.min(this.buffer.length, this.position - at));
      await readFully(this.options.disk, this.file.descriptor, piece, at);
      computation.update(piece);
      at += piece.length;
    }
    computation.check(expected);
  }

  private async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.options.buffers.give(this.buffer);
    if (this.spare !== undefined) this.options.buffers.give(this.spare);
    await Promise.allSettled([this.checksums.close()]);
    await this.file.close();
  }
}
