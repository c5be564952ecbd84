import { codingRow, decodingRows } from './coding-matrix.js';
import type { ColumnShape } from './column-shape.js';
import { fastestKernel } from './kernel/fastest-kernel.js';
import { MAX_INPUTS, MAX_OUTPUTS, type Kernel } from './kernel/kernel.js';

/** The most data shards, k. */
export const MAX_DATA_SHARDS = MAX_INPUTS;
/** The most parity shards, m. */
export const MAX_PARITY_SHARDS = MAX_OUTPUTS;

/** A missing shard, and the buffer that it is to be written to: as long as the shard is. */
export interface WantedShard {
  readonly shard: number;
  readonly into: Uint8Array;
}

/**
 * Systematic Reed–Solomon code of k data and m parity shards: any k of the k+m give all others.
 * Shards 0 … k-1 are the data as it is, k … k+m-1 the parity; docs/erasure.md has the code exactly.
 *
 * Byte x of every shard depends on byte x of the others only, so a shard may be coded in pieces of any
 * length, and a part of a shard from the same part of others. Without a `ColumnShape` all pieces of a
 * call are of one length; with one, each has exactly the length that it says.
 *
 * Nothing is verified: a wrong byte in a given shard makes wrong bytes. Check shards before.
 *
 * Calls are synchronous, write only to the buffers they are given for it and keep none. No buffer that
 * is written to may share memory with another. Instances hold no state but a bounded cache, so one
 * serves any number of streams. RangeError whenever the arguments do not fit together.
 */
export class ReedSolomon {
  private readonly parityRows: readonly Uint8Array[];
  /** By sources. Bounded: the oldest goes first. */
  private readonly decodings = new Map<number, readonly Uint8Array[]>();

  constructor(
    /** k, from 1 to MAX_DATA_SHARDS. */
    readonly dataShards: number,
    /** m, from 1 to MAX_PARITY_SHARDS. */
    readonly parityShards: number,
    private readonly kernel: Kernel = fastestKernel,
  ) {
    checkCount('data', dataShards, MAX_DATA_SHARDS);
    checkCount('parity', parityShards, MAX_PARITY_SHARDS);
    this.parityRows = Array.from({ length: parityShards }, (_, row) => codingRow(dataShards, dataShards + row));
  }

  /** Makes all m parity shards from all k data shards. */
  encode(data: readonly Uint8Array[], parity: readonly Uint8Array[], shape?: ColumnShape): void {
    if (data.length !== this.dataShards || parity.length !== this.parityShards) {
      throw new RangeError(
        `${data.length} data and ${parity.length} parity shards do not fit ${this.dataShards}+${this.parityShards}.`,
      );
    }
    const widthBytes = this.widthOf(data[0], shape);
    data.forEach((shard, index) => this.checkLength(index, shard, widthBytes, shape));
    parity.forEach((shard, index) => this.checkLength(this.dataShards + index, shard, widthBytes, shape));
    this.kernel.multiply(this.parityRows, data, parity);
  }

  /**
   * Makes the wanted shards, data or parity, from the first k that are present. `shards` has a place
   * for each of the k+m; what is not there, or not to be used, is undefined.
   */
  reconstruct(shards: readonly (Uint8Array | undefined)[], wanted: readonly WantedShard[], shape?: ColumnShape): void {
    const sources = this.sourcesAmong(shards);
    const inputs = sources.map(source => shards[source] ?? NOTHING);
    const widthBytes = this.widthOf(inputs[0], shape);
    inputs.forEach((input, index) => this.checkLength(sources[index] ?? 0, input, widthBytes, shape));
    for (const { shard, into } of wanted) {
      if (shards[shard] !== undefined) throw new RangeError(`Shard ${shard} is wanted, but is there.`);
      this.checkLength(shard, into, widthBytes, shape);
    }
    const rows = this.decodingFrom(sources);
    this.kernel.multiply(
      wanted.map(({ shard }) => rows[shard] ?? NOTHING),
      inputs,
      wanted.map(({ into }) => into),
    );
  }

  private sourcesAmong(shards: readonly (Uint8Array | undefined)[]): number[] {
    const total = this.dataShards + this.parityShards;
    if (shards.length !== total) throw new RangeError(`${shards.length} places for ${total} shards.`);
    const sources: number[] = [];
    for (let shard = 0; shard < total && sources.length < this.dataShards; shard += 1) {
      if (shards[shard] !== undefined) sources.push(shard);
    }
    if (sources.length === this.dataShards) return sources;
    throw new RangeError(`${sources.length} shards are there, but ${this.dataShards} are needed.`);
  }

  private widthOf(first: Uint8Array | undefined, shape: ColumnShape | undefined): number {
    if (shape === undefined) return first?.length ?? 0;
    if (shape.dataBytes.length !== this.dataShards || shape.dataBytes.some(bytes => bytes > shape.widthBytes)) {
      throw new RangeError(`A shape of ${shape.dataBytes.join('+')} bytes is not one of ${this.dataShards} shards.`);
    }
    return shape.widthBytes;
  }

  private checkLength(shard: number, bytes: Uint8Array, widthBytes: number, shape: ColumnShape | undefined): void {
    if (!(shard >= 0 && shard < this.dataShards + this.parityShards)) {
      throw new RangeError(`There is no shard ${shard} in ${this.dataShards}+${this.parityShards}.`);
    }
    const expected = shape?.dataBytes[shard] ?? widthBytes;
    if (bytes.length === expected) return;
    throw new RangeError(`Shard ${shard} has ${bytes.length} bytes instead of ${expected}.`);
  }

  private decodingFrom(sources: readonly number[]): readonly Uint8Array[] {
    const key = sources.reduce((sum, source) => sum + 2 ** source, 0);
    const known = this.decodings.get(key);
    if (known !== undefined) return known;
    const rows = decodingRows(this.dataShards, this.dataShards + this.parityShards, sources);
    if (this.decodings.size >= MAX_DECODINGS) this.decodings.delete(this.decodings.keys().next().value ?? 0);
    this.decodings.set(key, rows);
    return rows;
  }
}

/** More than the 165 ways to lose three of 8+3; at most 400 KB. */
const MAX_DECODINGS = 256;

const NOTHING = new Uint8Array(0);

function checkCount(kind: string, count: number, most: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= most) return;
  throw new RangeError(`${count} ${kind} shards are not from 1 to ${most}.`);
}
