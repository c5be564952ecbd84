/**
 * Buffers for the stripes of writes and the columns of decoding, used again. There is no waiting: what
 * bounds them is that each transfer holds only a few.
 */
export class StripeBuffers {
  private readonly free = new Map<number, Buffer[]>();
  private lentBytes = 0;
  private mostLentBytes = 0;
  private reservedBytes = 0;

  take(sizeBytes: number): Buffer {
    this.lentBytes += sizeBytes;
    this.mostLentBytes = Math.max(this.mostLentBytes, this.lentBytes);
    return this.free.get(sizeBytes)?.pop() ?? Buffer.allocUnsafeSlow(sizeBytes);
  }

  /** The buffer must be one that `take` gave, and be used no more. */
  give(buffer: Buffer): void {
    this.lentBytes -= buffer.length;
    const free = this.free.get(buffer.length) ?? [];
    this.free.set(buffer.length, free);
    if ((free.length + 1) * buffer.length <= MAX_FREE_BYTES) free.push(buffer);
  }

  /** Whether a transfer may hold so much, which is more than it needs: few may at a time. If so, `unreserve` must follow. */
  reserve(sizeBytes: number): boolean {
    if (this.reservedBytes + sizeBytes > MAX_RESERVED_BYTES) return false;
    this.reservedBytes += sizeBytes;
    return true;
  }

  unreserve(sizeBytes: number): void {
    this.reservedBytes -= sizeBytes;
  }

  /** Bytes in the hands of transfers now, and the most there ever were. */
  get lent(): { nowBytes: number; mostBytes: number } {
    return { nowBytes: this.lentBytes, mostBytes: this.mostLentBytes };
  }
}

/** With it 64 uploads at once hold some 110 MiB. */
const MAX_RESERVED_BYTES = 32 * 1024 * 1024;

/** Of one size. There are as many sizes as schemes in use. */
const MAX_FREE_BYTES = 16 * 1024 * 1024;

/** One for the whole process. */
export const stripeBuffers = new StripeBuffers();
