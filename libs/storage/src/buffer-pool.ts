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
  private readonly large: AlignedBuffers;
  private largeOut = 0;

  constructor(private readonly options: BufferPoolOptions) {
    this.large = new AlignedBuffers(options);
  }

  take(): Buffer {
    return this.takeLarge() ?? this.freeSmall.pop() ?? Buffer.allocUnsafeSlow(this.options.smallBytes);
  }

  /** For who can do without: undefined beyond the budget. */
  takeLarge(): Buffer | undefined {
    const { budgetBytes, largeBytes } = this.options;
    if ((this.largeOut + 1) * largeBytes > budgetBytes) return undefined;
    this.largeOut += 1;
    return this.freeLarge.pop() ?? this.large.make();
  }

  /** The buffer must be one that was taken, and be used no more. */
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

const PAGE_BYTES = 4096;
const WASM_PAGE_BYTES = 64 * 1024;
const pageAligned = new WeakSet<ArrayBufferLike>();

/** Whether a disk can write these bytes to that position past the page cache: address, length and position are whole pages. */
export function isPageAligned(bytes: Buffer, position: number): boolean {
  const places = [bytes.byteOffset, bytes.length, position];
  return pageAligned.has(bytes.buffer) && places.every(place => place % PAGE_BYTES === 0);
}

/** The large buffers of one pool. They lie in a WebAssembly memory, the only one that JavaScript gets page-aligned. */
class AlignedBuffers {
  private memory: ArrayBuffer | undefined;
  private made = 0;

  constructor(private readonly options: BufferPoolOptions) {}

  make(): Buffer {
    const { largeBytes } = this.options;
    this.memory ??= this.reserve();
    const offset = this.made * largeBytes;
    if (offset + largeBytes > this.memory.byteLength) return Buffer.allocUnsafeSlow(largeBytes);
    this.made += 1;
    return Buffer.from(this.memory, offset, largeBytes);
  }

  /** Address space only, until it is used; an empty memory where the system has none to give. */
  private reserve(): ArrayBuffer {
    const pages = Math.ceil(this.options.budgetBytes / WASM_PAGE_BYTES);
    try {
      const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
      pageAligned.add(buffer);
      return buffer;
    } catch {
      return new ArrayBuffer(0);
    }
  }
}

const SIZES = { largeBytes: 256 * 1024, smallBytes: 32 * 1024 };

/** For reading and writing files: one budget for the whole process. */
export const transferBuffers = new BufferPool({ budgetBytes: 32 * 1024 * 1024, ...SIZES });

/**
 * For what comes from other servers: one budget for the whole process. It is enough for 64 connections at full
 * speed. Twice as many would make hundreds faster, but slow clients would hold them all: fault test 44 has 500.
 */
export const receiveBuffers = new BufferPool({ budgetBytes: 16 * 1024 * 1024, ...SIZES });
