import { GranaryError } from '#contracts';
import {
  layoutOf,
  newBlobId,
  schemeOf,
  toBlake3,
  toSha256,
  type NewBlob,
  type Redundancy,
  type ServerId,
} from '#metadata';
import { DigestComputation, declaredAlgorithms, type ContentHasher, type ExpectedDigests } from '#storage';
import type { BlobParts } from '../blob-parts.js';
import type { BlobWriter, CreateBlobOptions } from '../blob-store.js';
import { redundancyFor, writeQuorumOf } from '../redundancy-for.js';
import { storedBytesOf } from '../segment-format.js';
import { putCopies } from './put-copies.js';
import { removeShards, shardsOf } from './remove-shards.js';
import { SegmentWriter } from './segment-writer.js';
import { writeShortfall } from './write-shortfall.js';

/** What a writer of blobs is given besides what it shares with the others. */
export interface BlobWriterOptions extends CreateBlobOptions {
  hasher: ContentHasher;
  /** Reads a blob that was just written, to compute digests that were declared only at its end. */
  digest: (blob: NewBlob, computation: DigestComputation) => Promise<void>;
}

type Row = readonly (ServerId | undefined)[];

/**
 * Hashes and gathers what comes, and hands it on by segments. What ends up small is stored whole, as
 * `put` would. While the last segment is being committed the next is written already.
 */
export class StreamedBlobWriter implements BlobWriter {
  private readonly id = newBlobId();
  private readonly digests: DigestComputation;
  /** Undefined once it is more than a small content. */
  private collected: Buffer[] | undefined = [];
  private redundancy: Redundancy;
  private readonly avoid = new Set<string>();
  private readonly segments: SegmentWriter[] = [];
  private readonly rows: Row[] = [];
  private current: SegmentWriter | undefined;
  private currentBytes = 0;
  private committing: Promise<void> | undefined;
  private received = 0;
  private blob: NewBlob | undefined;

  constructor(
    private readonly parts: BlobParts,
    private readonly options: BlobWriterOptions,
  ) {
    this.digests = new DigestComputation(declaredAlgorithms(options.expected));
    this.redundancy = redundancyFor(options.redundancy, 'small', parts.servers.countExpected());
  }

  /** Of what is known to be large the first segment is begun at once: what can be refused is refused before the first byte. */
  async prepare(): Promise<this> {
    const { length } = this.options;
    if ((length ?? 0) > this.smallBytes) await this.becomeLarge();
    else if (length !== 0) this.checkServers();
    return this;
  }

  write(chunk: Buffer): Promise<void> | undefined {
    try {
      this.count(chunk);
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.collected === undefined) return this.pass(chunk);
    if (this.received > this.smallBytes) return this.turnLarge(chunk);
    this.collected.push(Buffer.from(chunk));
    return undefined;
  }

  async commit({ expected: late }: { expected?: ExpectedDigests } = {}): Promise<NewBlob> {
    const expected = { ...this.options.expected, ...late };
    if (this.received !== (this.options.length ?? this.received)) throw this.incomplete();
    this.digests.check(expected);
    this.blob = this.describe(expected, await this.store());
    await this.checkLate(this.blob, expected);
    return this.blob;
  }

  async abort(): Promise<void> {
    this.collected = undefined;
    await Promise.all(this.segments.map(segment => segment.abort()));
    // A small one has no segment writers.
    if (this.blob !== undefined && this.segments.length === 0) {
      await removeShards(this.parts, shardsOf(this.parts, this.blob));
    }
  }

  private get smallBytes(): number {
    const { smallSegmentBytes, segmentSizeBytes } = this.parts.settings;
    return Math.min(smallSegmentBytes, segmentSizeBytes);
  }

  private count(chunk: Buffer): void {
    this.options.signal?.throwIfAborted();
    this.received += chunk.length;
    if (this.received > (this.options.length ?? Infinity)) throw this.incomplete();
    this.options.hasher.update(chunk);
    this.digests.update(chunk);
  }

  private checkServers(): void {
    const { servers } = this.parts;
    const [quorum, usable] = [writeQuorumOf(schemeOf(this.redundancy)), servers.candidates().length];
    if (usable < quorum) throw writeShortfall(servers, { quorum, usable, failures: [] });
  }

  private async turnLarge(chunk: Buffer): Promise<void> {
    await this.becomeLarge();
    await this.pass(chunk);
  }

  private async becomeLarge(): Promise<void> {
    this.redundancy = redundancyFor(this.options.redundancy, 'large', this.parts.servers.countExpected());
    const collected = this.collected ?? [];
    this.collected = undefined;
    await this.beginSegment();
    for (const chunk of collected) await this.pass(chunk);
  }

  private pass(chunk: Buffer): Promise<void> | undefined {
    const { current, currentBytes, parts } = this;
    if (current === undefined || currentBytes + chunk.length >= parts.settings.segmentSizeBytes) {
      return this.passAcross(chunk);
    }
    this.currentBytes += chunk.length;
    return current.write(chunk);
  }

  /** What ends a segment, or begins one. */
  private async passAcross(chunk: Buffer): Promise<void> {
    const { segmentSizeBytes } = this.parts.settings;
    for (let at = 0; at < chunk.length;) {
      const segment = this.current ?? (await this.beginSegment());
      const piece = chunk.subarray(at, at + segmentSizeBytes - this.currentBytes);
      await segment.write(piece);
      at += piece.length;
      this.currentBytes += piece.length;
      if (this.currentBytes === segmentSizeBytes) await this.endSegment();
    }
  }

  private async beginSegment(): Promise<SegmentWriter> {
    const { blobId, segment } = { blobId: this.id, segment: this.segments.length };
    const { segmentSizeBytes } = this.parts.settings;
    const { length, signal } = this.options;
    const rest = length === undefined ? undefined : Math.min(segmentSizeBytes, length - segment * segmentSizeBytes);
    const scheme = schemeOf(this.redundancy);
    const begun = { blobId, segment, scheme, length: rest, avoid: this.avoid, signal };
    this.current = await SegmentWriter.begin(this.parts, begun);
    this.currentBytes = 0;
    this.segments.push(this.current);
    return this.current;
  }

  /** Waits for the segment before, so that no more than two are under way. */
  private async endSegment(): Promise<void> {
    const { current } = this;
    if (current === undefined) return;
    this.current = undefined;
    await this.committing;
    const committing = current.finish().then(row => void this.rows.push(row));
    // Whoever awaits it next sees the error; until then it must not count as unhandled.
    committing.catch(() => {});
    this.committing = committing;
  }

  /** The rows of the layout, durable. */
  private async store(): Promise<readonly Row[]> {
    if (this.received === 0) return [];
    if (this.collected === undefined) {
      await this.endSegment();
      await this.committing;
      return this.rows;
    }
    const bytes = Buffer.concat(this.collected);
    return [await putCopies(this.parts, this.id, bytes, schemeOf(this.redundancy), this.options.signal)];
  }

  private describe({ sha256 }: ExpectedDigests, rows: readonly Row[]): NewBlob {
    const { segmentSizeBytes } = this.parts.settings;
    return {
      id: this.id,
      size: this.received,
      blake3: toBlake3(this.options.hasher.digest().toString('hex')),
      ...(sha256 !== undefined && { sha256: toSha256(sha256.toString('hex')) }),
      redundancy: this.redundancy,
      segmentSizeBytes,
      storedBytes: storedBytesOf(this.redundancy, this.received, segmentSizeBytes),
      layout: layoutOf(rows),
    };
  }

  private async checkLate(blob: NewBlob, expected: ExpectedDigests): Promise<void> {
    const late = declaredAlgorithms(expected).filter(algorithm => !this.digests.algorithms.includes(algorithm));
    if (late.length === 0) return;
    const computation = new DigestComputation(late);
    await this.options.digest(blob, computation);
    computation.check(expected);
  }

  private incomplete(): GranaryError {
    return new GranaryError(
      'body-incomplete',
      `${this.received} bytes came where ${this.options.length} were declared.`,
    );
  }
}
