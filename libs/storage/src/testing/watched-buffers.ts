import { BufferPool } from '../buffer-pool.js';

/** A pool that knows what it has lent, and takes nothing back twice. */
export class WatchedBuffers extends BufferPool {
  readonly out = new Set<Buffer>();
  taken = 0;

  constructor() {
    super({ budgetBytes: 16 * 1024 * 1024, largeBytes: 256 * 1024, smallBytes: 32 * 1024 });
  }

  override takeLarge(): Buffer | undefined {
    const buffer = super.takeLarge();
    if (buffer === undefined) return undefined;
    if (this.out.has(buffer)) throw new Error('The buffer is lent already.');
    this.out.add(buffer);
    this.taken += 1;
    return buffer;
  }

  override give(buffer: Buffer): void {
    if (!this.out.delete(buffer)) throw new Error('The buffer was not lent, or is given back twice.');
    super.give(buffer);
  }
}
