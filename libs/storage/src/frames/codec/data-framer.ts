import { MAX_DATA_BYTES } from './frame-types.js';
import { dataHeader } from './frame-writer.js';

/**
 * Puts the headers of data frames before and into a body as it is sent. Of a body whose length is known
 * the frames are as long as may be, so that hardly a chunk has a header of its own; else each chunk is
 * a frame.
 */
export class DataFramer {
  /** Of the present frame, still to be sent: inside it nothing else can be said. */
  frameRemaining = 0;
  private remaining: number;

  /** `begun`: the header of the first frame has been sent already. */
  constructor(
    length: number | undefined,
    private readonly exchange: number,
    begun = false,
  ) {
    this.remaining = length ?? Infinity;
    if (begun) this.frameRemaining = Math.min(this.remaining, MAX_DATA_BYTES);
  }

  /** The chunk as it is to be sent: views of it, and headers between them. */
  frame(chunk: Buffer): Buffer[] {
    const parts: Buffer[] = [];
    for (let at = 0; at < chunk.length;) {
      if (this.frameRemaining === 0) parts.push(this.beginFrame(chunk.length - at));
      const end = Math.min(chunk.length, at + this.frameRemaining);
      parts.push(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
      this.frameRemaining -= end - at;
      this.remaining -= end - at;
      at = end;
    }
    return parts;
  }

  private beginFrame(chunkLength: number): Buffer {
    this.frameRemaining = Math.min(this.remaining === Infinity ? chunkLength : this.remaining, MAX_DATA_BYTES);
    return dataHeader(this.frameRemaining, this.exchange);
  }
}
