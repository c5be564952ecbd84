import { multiply } from '../gf256.js';
import { MAX_INPUTS, MAX_OUTPUTS, type Kernel } from './kernel.js';
import { MULTIPLY_WASM } from './multiply-wasm.js';

// The map of the kernel's memory; multiply.wat says the same.
const ROWS_AT = 8192;
const ROW_BYTES = 256;
const SLOTS_AT = 16_384;
const SLOTS_BYTES = 7 * 65_536 - SLOTS_AT;
const OUTPUT_SLOTS = 2;
const GROUP_BYTES = 64;

/** The slots of 4+2 and 8+3 then fit a second-level cache of 512 KiB. From 16 to 64 KiB are equally fast. */
const MAX_BLOCK_BYTES = 32 * 1024;

/**
 * multiply.wat in WebAssembly with SIMD. Its memory is 448 KiB and never grows: calls are synchronous,
 * so any number of streams share one instance. What is multiplied is copied through that memory in
 * blocks that stay in the processor's cache.
 */
export class WasmKernel implements Kernel {
  readonly name = 'wasm-simd';
  private readonly exports: MultiplyExports;
  private readonly memory: Uint8Array;

  /** Whether this engine runs WebAssembly with SIMD. */
  static isSupported(): boolean {
    return WebAssembly.validate(moduleBytes());
  }

  constructor() {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()));
    this.exports = exports as unknown as MultiplyExports;
    this.memory = new Uint8Array(this.exports.memory.buffer);
    this.memory.set(nibbleTables());
  }

  multiply(rows: readonly Uint8Array[], inputs: readonly Uint8Array[], outputs: readonly Uint8Array[]): void {
    this.loadRows(rows, inputs.length, outputs.length);
    const [first, then] = this.functionsFor(rows);
    const blockBytes = blockBytesFor(inputs.length);
    const totalBytes = longest(outputs);
    for (let at = 0; at < totalBytes; at += blockBytes) {
      const lengthBytes = Math.min(blockBytes, totalBytes - at);
      for (let index = 0; index < inputs.length; index += 1) {
        this.copyIn(inputs[index], at, lengthBytes, slotAt(OUTPUT_SLOTS + index, blockBytes));
      }
      for (let row = 0; row < outputs.length; row += OUTPUT_SLOTS) {
        const [one, two] = row === 0 ? first : then;
        const run = row + 1 < outputs.length ? two : one;
        run(ROWS_AT + row * ROW_BYTES, inputs.length, blockBytes, lengthBytes);
        this.copyOut(outputs[row], at, blockBytes, 0);
        this.copyOut(outputs[row + 1], at, blockBytes, 1);
      }
    }
  }

  /** For one and for two rows: what multiplies the first, and the others. */
  private functionsFor(rows: readonly Uint8Array[]): readonly [Functions, Functions] {
    const { multiplyOneRow, multiplyTwoRows, sumInputs, sumAndMultiplyRow } = this.exports;
    const any: Functions = [multiplyOneRow, multiplyTwoRows];
    return [rows[0]?.every(coefficient => coefficient === 1) ? [sumInputs, sumAndMultiplyRow] : any, any];
  }

  private loadRows(rows: readonly Uint8Array[], inputs: number, outputs: number): void {
    if (inputs < 1 || inputs > MAX_INPUTS || outputs > MAX_OUTPUTS || rows.length !== outputs) {
      throw new RangeError(`${rows.length} rows of ${inputs} inputs for ${outputs} outputs cannot be multiplied.`);
    }
    rows.forEach((row, index) => {
      if (row.length !== inputs) throw new RangeError(`A row has ${row.length} coefficients for ${inputs} inputs.`);
      this.memory.set(row, ROWS_AT + index * ROW_BYTES);
    });
  }

  private copyIn(input: Uint8Array | undefined, at: number, lengthBytes: number, slot: number): void {
    const copiedBytes = input === undefined ? 0 : Math.min(lengthBytes, Math.max(0, input.length - at));
    if (input !== undefined && copiedBytes > 0) this.memory.set(part(input, at, at + copiedBytes), slot);
    if (copiedBytes < lengthBytes) this.memory.fill(0, slot + copiedBytes, slot + lengthBytes);
  }

  private copyOut(output: Uint8Array | undefined, at: number, blockBytes: number, slot: number): void {
    if (output === undefined || at >= output.length) return;
    const from = slotAt(slot, blockBytes);
    output.set(this.memory.subarray(from, from + Math.min(blockBytes, output.length - at)), at);
  }
}

interface MultiplyExports {
  memory: WebAssembly.Memory;
  multiplyOneRow: Multiply;
  multiplyTwoRows: Multiply;
  sumInputs: Multiply;
  sumAndMultiplyRow: Multiply;
}

/** For one row and for two. */
type Functions = readonly [Multiply, Multiply];

type Multiply = (row: number, inputs: number, strideBytes: number, lengthBytes: number) => void;

function moduleBytes(): Uint8Array {
  return Buffer.from(MULTIPLY_WASM, 'base64');
}

/** What multiply.wat looks up: for each coefficient its products with 0 … 15, then with 16 × those. */
function nibbleTables(): Uint8Array {
  return Uint8Array.from({ length: 256 * 32 }, (_, index) => {
    const nibble = index % 16;
    return multiply(index >> 5, index % 32 < 16 ? nibble : nibble << 4);
  });
}

function blockBytesFor(inputs: number): number {
  const fitting = Math.floor(SLOTS_BYTES / (OUTPUT_SLOTS + inputs) / GROUP_BYTES) * GROUP_BYTES;
  return Math.min(MAX_BLOCK_BYTES, fitting);
}

function slotAt(slot: number, blockBytes: number): number {
  return SLOTS_AT + slot * blockBytes;
}

function longest(buffers: readonly Uint8Array[]): number {
  return buffers.reduce((most, { length }) => Math.max(most, length), 0);
}

/** Without a new view where the whole is wanted: a view costs as much as copying 2 KiB. */
function part(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
}
