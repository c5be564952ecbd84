import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sampleBytes } from '../testing/sample-bytes.js';
import { slowMultiply } from '../testing/slow-field.js';
import { fastestKernel } from './fastest-kernel.js';
import { MAX_INPUTS, MAX_OUTPUTS, type Kernel } from './kernel.js';
import { TableKernel } from './table-kernel.js';
import { WasmKernel } from './wasm-kernel.js';

/** Around the widths of the vectors (16), of the kernel's groups (32, 64) and of its blocks (32 KiB, less for many inputs). */
const LENGTHS = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 4097, 32_767, 32_768, 32_769, 65_536, 98_305];

const GUARD = 0xee;

/** A view that starts at an odd address, with bytes before and behind it that nothing may touch. */
function guarded(length: number, offset: number): { bytes: Uint8Array; isIntact: () => boolean } {
  const whole = new Uint8Array(length + 64).fill(GUARD);
  const bytes = whole.subarray(offset, offset + length);
  const isIntact = (): boolean =>
    whole.subarray(0, offset).every(byte => byte === GUARD) &&
    whole.subarray(offset + length).every(byte => byte === GUARD);
  return { bytes, isIntact };
}

function rowsOf(count: number, inputs: number, seed: number): Uint8Array[] {
  return Array.from({ length: count }, (_, row) => sampleBytes(inputs, seed * 31 + row));
}

const oracle = new TableKernel();

/** Multiplies with both kernels and says whether they agree, wrote nothing else and left the inputs alone. */
function agrees(kernel: Kernel, rows: Uint8Array[], inputs: Uint8Array[], outputBytes: number[]): boolean {
  const before = inputs.map(input => input.slice());
  const found = outputBytes.map((length, index) => guarded(length, (index * 7 + 3) % 33));
  const expected = outputBytes.map(length => new Uint8Array(length));
  kernel.multiply(
    rows,
    inputs,
    found.map(({ bytes }) => bytes),
  );
  oracle.multiply(rows, inputs, expected);
  return (
    found.every(({ bytes, isIntact }, index) => isIntact() && Buffer.compare(bytes, expected[index] ?? bytes) === 0) &&
    inputs.every((input, index) => Buffer.compare(input, before[index] ?? input) === 0)
  );
}

describe('the table kernel, the oracle', () => {
  it('sums products of polynomials, byte by byte', () => {
    const [rows, inputs] = [rowsOf(3, 5, 1), [40, 0, 64, 7, 65].map((length, index) => sampleBytes(length, index))];
    const outputs = [65, 3, 64].map(length => sampleBytes(length, 9));
    oracle.multiply(rows, inputs, outputs);
    outputs.forEach((output, row) => {
      const expected = output.map((_, at) =>
        inputs.reduce((sum, input, index) => sum ^ slowMultiply(rows[row]?.[index] ?? 0, input[at] ?? 0), 0),
      );
      expect(output).toEqual(expected);
    });
  });
});

describe('the WebAssembly kernel', () => {
  const kernel = new WasmKernel();

  it('is what this engine uses', () => {
    expect(fastestKernel).toBeInstanceOf(WasmKernel);
  });

  it('multiplies every byte by every coefficient', () => {
    const input = Uint8Array.from({ length: 256 }, (_, value) => value);
    for (let coefficient = 0; coefficient < 256; coefficient += 1) {
      expect(agrees(kernel, [Uint8Array.of(coefficient)], [input], [256])).toBe(true);
    }
  });

  it.each(LENGTHS)('agrees with the oracle on %d bytes, for 1 to 5 outputs, at odd addresses', length => {
    for (const outputs of [1, 2, 3, 4, 5]) {
      const inputs = [0, 1, 2].map(index => sampleBytes(length + 5, index).subarray(index + 1, index + 1 + length));
      expect(agrees(kernel, rowsOf(outputs, 3, length), inputs, Array(outputs).fill(length))).toBe(true);
    }
  });

  it.each(LENGTHS)('agrees with the oracle on %d bytes where the first row is a plain sum', length => {
    for (const outputs of [1, 2, 3]) {
      const inputs = [0, 1, 2].map(index => sampleBytes(length + 5, index).subarray(index + 1, index + 1 + length));
      const rows = [Uint8Array.of(1, 1, 1), ...rowsOf(2, 3, length)].slice(0, outputs);
      expect(agrees(kernel, rows, inputs, Array(outputs).fill(length))).toBe(true);
    }
  });

  it('takes a sum in any row but the first, and a row that starts as one, for what they are', () => {
    const inputs = [0, 1, 2].map(index => sampleBytes(100, index));
    const rows = [Uint8Array.of(1, 1, 2), Uint8Array.of(1, 1, 1), Uint8Array.of(1, 1, 1)];
    expect(agrees(kernel, rows, inputs, [100, 100, 100])).toBe(true);
    expect(agrees(kernel, rows.toReversed(), inputs, [100, 100, 100])).toBe(true);
  });

  it('takes as many inputs and outputs as it says, over several blocks', () => {
    const inputs = Array.from({ length: MAX_INPUTS }, (_, index) => sampleBytes(40_001, index));
    const lengths = Array<number>(MAX_OUTPUTS).fill(40_001);
    expect(agrees(kernel, rowsOf(MAX_OUTPUTS, MAX_INPUTS, 5), inputs, lengths)).toBe(true);
  });

  it('counts what an input lacks as 0, also when the memory still holds bytes of the call before', () => {
    kernel.multiply(
      rowsOf(1, 3, 1),
      [1, 2, 3].map(seed => sampleBytes(70_000, seed)),
      [new Uint8Array(70_000)],
    );
    const inputs = [70_000, 32_768, 5].map((length, index) => sampleBytes(length, index));
    expect(agrees(kernel, rowsOf(2, 3, 2), inputs, [70_000, 33_000])).toBe(true);
  });

  it('agrees with the oracle on any shape', () => {
    const lengths = fc.integer({ min: 0, max: 70_000 });
    const shape = fc.record({
      inputs: fc.array(fc.oneof(lengths, fc.integer({ min: 0, max: 130 })), { minLength: 1, maxLength: 12 }),
      outputs: fc.array(lengths, { maxLength: 5 }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(shape, ({ inputs, outputs, seed }) => {
        const bytes = inputs.map((length, index) => sampleBytes(length, seed + index));
        expect(agrees(kernel, rowsOf(outputs.length, inputs.length, seed), bytes, outputs)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('refuses rows that do not fit', () => {
    const bytes = new Uint8Array(1);
    expect(() => kernel.multiply([], [bytes], [bytes.slice()])).toThrow(RangeError);
    expect(() => kernel.multiply([Uint8Array.of(1, 2)], [bytes], [bytes.slice()])).toThrow(RangeError);
    expect(() => kernel.multiply([bytes], [], [bytes.slice()])).toThrow(RangeError);
    const many = Array.from({ length: MAX_INPUTS + 1 }, () => bytes);
    expect(() => kernel.multiply([new Uint8Array(MAX_INPUTS + 1)], many, [bytes.slice()])).toThrow(RangeError);
  });
});
