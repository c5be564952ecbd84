/** Where transfers take their buffers from. */
export interface BufferPoolOptions {
  /** Bytes of large buffers that may be out at once. */
  budgetBytes: number;
  largeBytes: number;
  smallBytes: number;
}

/**
 * Reusable buffers for transfers. `take` never waits and never fails: large buffers while the budget
 * lasts, small ones beyond it, so that a few transfers are fast and a thousand of them stay small.
 */
export class BufferPool {
  private readonly freeLarge: Buffer[] = [];
  private readonly freeSmall: Buffer[] = [];
  private largeOut = 0;

  constructor(private readonly options: BufferPoolOptions) {}

  take(): Buffer {
    const { budgetBytes, largeBytes, smallBytes } = this.options;
    if ((this.largeOut + 1) * largeBytes > budgetBytes)
      return this.freeSmall.pop() ?? Buffer.allocUnsafeSlow(smallBytes);
    this.largeOut += 1;
    return this.freeLarge.pop() ?? Buffer.allocUnsafeSlow(largeBytes);
  }

  /** The buffer must be one that `take` gave, and be used no more. */
  give(buffer: Buffer): void {
    if (buffer.length === this.options.largeBytes) {
      this.largeOut -= 1;
      this.freeLarge.push(buffer);
    } else if (this.freeSmall.length < MAX_FREE_SMALL) {
      this.freeSmall.push(buffer);
    }
  }
}

const MAX_FREE_SMALL = 256;

/** One budget for the whole process. */
export const transferBuffers = new BufferPool({
  budgetBytes: 32 * 1024 * 1024,
  largeBytes: 256 * 1024,
  smallBytes: 32 * 1024,
});
