import {
  layoutOf,
  newBlobId,
  schemeOf,
  segmentCount,
  serverOf,
  type Blob,
  type BlobId,
  type NewBlob,
  type RedundancyScheme,
  type ServerId,
} from '#metadata';
import { contentHash, type DigestComputation } from '#storage';
import type { BlobParts } from './blob-parts.js';
import type { BlobServers } from './blob-servers.js';
import { DEFAULT_BLOB_SETTINGS, type BlobSettings } from './blob-settings.js';
import type {
  BlobReader,
  BlobStore,
  BlobWriter,
  CreateBlobOptions,
  HashedContent,
  WriteBlobOptions,
} from './blob-store.js';
import type { ReportTrouble } from './blob-trouble.js';
import { RedundantBlobReader } from './read/blob-reader.js';
import { HotBlobs } from './read/hot-blobs.js';
import { redundancyFor } from './redundancy-for.js';
import { storedBytesOf } from './segment-format.js';
import { SlowServers } from './slow-servers.js';
import { StreamedBlobWriter } from './write/blob-writer.js';
import { putCopies } from './write/put-copies.js';
import { removeBlobs } from './write/remove-blobs.js';
import { removeShards, shardsOf } from './write/remove-shards.js';
import { WriteRounds } from './write/write-rounds.js';

export interface RedundantBlobStoreOptions {
  servers: BlobServers;
  /** Is told what reading finds out. */
  report: ReportTrouble;
  settings?: Partial<BlobSettings>;
  /** Small blobs that were opened are kept here and read from here. Without it every read asks the data servers. */
  hot?: HotBlobs;
}

/** Blobs on the data servers of a cluster: copies of small contents, erasure-coded segments of large ones (docs/durability.md). */
export class RedundantBlobStore implements BlobStore {
  private readonly parts: BlobParts;

  constructor({ servers, report, settings, hot = COLD }: RedundantBlobStoreOptions) {
    const all = { ...DEFAULT_BLOB_SETTINGS, ...settings };
    const [slow, rounds] = [new SlowServers(all.avoidSlowMs), new WriteRounds(all.writesPerRound)];
    this.parts = { servers, report, settings: all, slow, rounds, hot };
  }

  async put(content: HashedContent, options: WriteBlobOptions): Promise<NewBlob> {
    const { bytes, blake3, sha256 } = content;
    const { segmentSizeBytes, smallSegmentBytes } = this.parts.settings;
    if (bytes.length > Math.min(smallSegmentBytes, segmentSizeBytes)) return this.putLarge(content, options);
    const id = newBlobId();
    const redundancy = redundancyFor(options.redundancy, 'small', this.parts.servers.countExpected());
    const row = await this.putSmall(content, id, schemeOf(redundancy), options.signal);
    return {
      id,
      size: bytes.length,
      blake3,
      ...(sha256 !== undefined && { sha256 }),
      redundancy,
      segmentSizeBytes,
      storedBytes: storedBytesOf(redundancy, bytes.length, segmentSizeBytes),
      layout: layoutOf(row),
    };
  }

  async create(options: CreateBlobOptions): Promise<BlobWriter> {
    const hasher = await contentHash.hasher();
    const digest = (blob: NewBlob, computation: DigestComputation): Promise<void> =>
      // Read back from the servers, and not kept: a bulk load would drive out what is read.
      new RedundantBlobReader({ ...this.parts, hot: COLD }, [blob]).copyTo(
        chunk => {
          computation.update(chunk);
          return undefined;
        },
        undefined,
        options,
      );
    return new StreamedBlobWriter(this.parts, { ...options, hasher, digest }).prepare();
  }

  isThere({ layout, redundancy }: Blob): boolean {
    const { needed } = schemeOf(redundancy);
    const { servers } = this.parts;
    for (let segment = 0; segment < segmentCount(layout); segment += 1) {
      let left = 0;
      for (let shard = 0; shard < layout.shardsPerSegment; shard += 1) {
        const server = serverOf(layout, segment, shard);
        if (server !== undefined && !servers.isForgotten(server)) left += 1;
      }
      if (left < needed) return false;
    }
    return true;
  }

  open(blobs: readonly Blob[]): BlobReader {
    return new RedundantBlobReader(this.parts, blobs);
  }

  discard(blob: NewBlob): Promise<void> {
    return removeShards(this.parts, shardsOf(this.parts, blob));
  }

  remove(blobs: readonly Blob[], { signal }: { signal?: AbortSignal } = {}): Promise<readonly BlobId[]> {
    return removeBlobs(this.parts, blobs, signal);
  }

  /** The layout's only row; none for no bytes. */
  private async putSmall(
    { bytes }: HashedContent,
    id: NewBlob['id'],
    scheme: RedundancyScheme,
    signal: AbortSignal | undefined,
  ): Promise<(readonly (ServerId | undefined)[])[]> {
    return bytes.length === 0 ? [] : [await putCopies(this.parts, id, bytes, scheme, signal)];
  }

  private async putLarge({ bytes, sha256 }: HashedContent, options: WriteBlobOptions): Promise<NewBlob> {
    const writer = await this.create({ ...options, length: bytes.length });
    try {
      await writer.write(bytes);
      const blob = await writer.commit();
      return sha256 === undefined ? blob : { ...blob, sha256 };
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }
}

/** Keeps nothing. */
const COLD = new HotBlobs(0);
