/**
 * The code of docs/erasure.md written down a second time, slowly and without a table, so that the
 * tests do not take the library's arithmetic from the library.
 */

/** Product in GF(2^8): schoolbook multiplication of polynomials, then the remainder by x^8+x^4+x^3+x^2+1. */
export function slowMultiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit += 1) {
    if ((b & (1 << bit)) !== 0) product ^= a << bit;
  }
  for (let degree = 14; degree >= 8; degree -= 1) {
    if ((product & (1 << degree)) !== 0) product ^= 0b1_0001_1101 << (degree - 8);
  }
  return product;
}

/** By trying all. */
export function slowInverse(a: number): number {
  for (let b = 1; b < 256; b += 1) {
    if (slowMultiply(a, b) === 1) return b;
  }
  throw new Error(`${a} has no inverse.`);
}

/** The m parity shards; data shards that have ended count as 0. */
export function slowParity(data: readonly Uint8Array[], parityShards: number, widthBytes: number): Uint8Array[] {
  const k = data.length;
  const coefficient = (row: number, column: number): number =>
    slowMultiply(k ^ column, slowInverse((k + row) ^ column));
  return Array.from({ length: parityShards }, (_, row) =>
    Uint8Array.from({ length: widthBytes }, (_, at) =>
      data.reduce((sum, shard, column) => sum ^ slowMultiply(coefficient(row, column), shard[at] ?? 0), 0),
    ),
  );
}
