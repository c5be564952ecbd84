import { shapeOf } from '#erasure';
import type { RedundancyScheme } from '#metadata';
import { coderOf } from '../coders.js';
import { UNIT_BYTES, layOut } from '../segment-format.js';
import type { StripeBuffers } from '../stripe-buffers.js';

/** What copies are written in, units. */
const UNITS_OF_COPIES = 4;

/** Of the buffer that a stripe takes. */
export function stripeBytes({ kind, shards }: RedundancyScheme): number {
  return (kind === 'copies' ? UNITS_OF_COPIES : shards) * UNIT_BYTES;
}

/**
 * The bytes of one stripe, gathered and then cut for the shards: into k units, with m of parity behind
 * them, or for copies into the one piece that each shard gets. Its buffer is returned when every shard
 * is done with its piece.
 */
export class Stripe {
  private readonly buffer: Buffer;
  private readonly capacity: number;
  private filled = 0;
  private holders: number;

  constructor(
    private readonly scheme: RedundancyScheme,
    private readonly buffers: StripeBuffers,
  ) {
    const { kind, shards, needed } = scheme;
    this.capacity = (kind === 'copies' ? UNITS_OF_COPIES : needed) * UNIT_BYTES;
    this.buffer = buffers.take(stripeBytes(scheme));
    this.holders = shards;
  }

  get isFull(): boolean {
    return this.filled === this.capacity;
  }

  /** Takes what fits, and returns how many bytes that was. */
  fill(chunk: Buffer, offset: number): number {
    const copied = chunk.copy(this.buffer, this.filled, offset, offset + this.capacity - this.filled);
    this.filled += copied;
    return copied;
  }

  /** The piece of each shard, some empty in a short last stripe. Each must be released. */
  cut(): Buffer[] {
    const { kind, shards, needed } = this.scheme;
    if (kind === 'copies') return Array.from({ length: shards }, () => this.buffer.subarray(0, this.filled));
    const layout = layOut(this.filled, this.scheme);
    const unitBytes = layout.lastUnitBytes;
    const data = Array.from({ length: needed }, (_, shard) =>
      this.buffer.subarray(Math.min(shard * unitBytes, this.filled), Math.min((shard + 1) * unitBytes, this.filled)),
    );
    const parity = Array.from({ length: shards - needed }, (_, row) => this.parityUnit(row, unitBytes));
    coderOf(this.scheme).encode(data, parity, shapeOf(layout, { start: 0, end: unitBytes }));
    return [...data, ...parity];
  }

  private parityUnit(row: number, unitBytes: number): Buffer {
    const start = this.capacity + row * UNIT_BYTES;
    return this.buffer.subarray(start, start + unitBytes);
  }

  /** One shard is done with its piece. */
  release(): void {
    this.holders -= 1;
    if (this.holders === 0) this.buffers.give(this.buffer);
  }
}
