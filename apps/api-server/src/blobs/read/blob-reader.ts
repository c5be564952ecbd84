import { segmentsOf, type ByteRange as Span } from '#erasure';
import { schemeOf, type NewBlob } from '#metadata';
import type { ByteRange, Sink } from '#storage';
import type { BlobParts } from '../blob-parts.js';
import type { BlobReader } from '../blob-store.js';
import { MAX_HOT_BLOB_BYTES } from './hot-blobs.js';
import { readSegment } from './read-segment.js';
import { readSmall } from './read-small.js';
import { verifyWhole } from './verify-whole.js';

/** Reads blobs one after another. Whatever a copy opens it closes itself, so there is nothing to keep. */
export class RedundantBlobReader implements BlobReader {
  readonly size: number;

  constructor(
    private readonly parts: BlobParts,
    private readonly blobs: readonly NewBlob[],
  ) {
    this.size = blobs.reduce((sum, { size }) => sum + size, 0);
  }

  async copyTo(sink: Sink, range?: ByteRange, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    const { first, last } = range ?? { first: 0, last: this.size - 1 };
    let offset = 0;
    for (const blob of this.blobs) {
      const span = { start: Math.max(0, first - offset), end: Math.min(blob.size, last + 1 - offset) };
      offset += blob.size;
      if (span.start >= span.end) continue;
      // Bytes from memory that the sink takes at once cost no turn of the event loop.
      const copying = this.copyBlob(blob, span, sink, signal);
      if (copying !== undefined) await copying;
    }
  }

  async close(): Promise<void> {}

  private copyBlob(blob: NewBlob, span: Span, sink: Sink, signal: AbortSignal | undefined): Promise<void> | undefined {
    const { parts } = this;
    if (!isSmall(blob, parts.settings.smallSegmentBytes)) return copyLarge(parts, blob, span, sink, signal);
    const hot = blob.size <= MAX_HOT_BLOB_BYTES ? parts.hot.find(blob.id) : undefined;
    if (hot === undefined) return readSmall(parts, blob, span, sink, signal);
    return sink(hot.subarray(span.start, span.end));
  }
}

async function copyLarge(
  parts: BlobParts,
  blob: NewBlob,
  span: Span,
  sink: Sink,
  signal: AbortSignal | undefined,
): Promise<void> {
  const isWhole = span.start === 0 && span.end === blob.size;
  const checked = isWhole ? await verifyWhole(blob, sink) : sink;
  for (const { segment, sizeBytes, range } of segmentsOf(blob.size, blob.segmentSizeBytes, span)) {
    await readSegment(parts, { blob, segment, sizeBytes, range }, checked, signal);
  }
}

/** Small enough to be held in memory, and there whole on every server. */
function isSmall({ size, segmentSizeBytes, redundancy }: NewBlob, smallBytes: number): boolean {
  return size <= smallBytes && size <= segmentSizeBytes && schemeOf(redundancy).kind === 'copies';
}
