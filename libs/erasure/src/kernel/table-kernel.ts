import { multiply } from '../gf256.js';
import type { Kernel } from './kernel.js';

/** A table of all products and one byte at a time: the oracle of the tests, and what runs where WebAssembly has no SIMD. */
export class TableKernel implements Kernel {
  readonly name = 'table';
  private readonly products = allProducts();

  multiply(rows: readonly Uint8Array[], inputs: readonly Uint8Array[], outputs: readonly Uint8Array[]): void {
    outputs.forEach((output, row) => {
      output.fill(0);
      inputs.forEach((input, index) => this.addProducts(output, input, rows[row]?.[index]));
    });
  }

  private addProducts(output: Uint8Array, input: Uint8Array, coefficient: number | undefined): void {
    if (coefficient === undefined) throw new RangeError('A row has fewer coefficients than there are inputs.');
    const { products } = this;
    const length = Math.min(output.length, input.length);
    for (let at = 0; at < length; at += 1) {
      output[at] = (output[at] ?? 0) ^ (products[(coefficient << 8) | (input[at] ?? 0)] ?? 0);
    }
  }
}

/** The product of a and b is at a · 256 + b. */
function allProducts(): Uint8Array {
  return Uint8Array.from({ length: 256 * 256 }, (_, index) => multiply(index >> 8, index & 255));
}
