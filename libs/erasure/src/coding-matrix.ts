import { inverse, multiply } from './gf256.js';

/**
 * The row of the coding matrix that makes a shard from the k data shards. Shards 0 … k-1 are the data
 * (rows of the identity matrix); shard s ≥ k is parity, and its coefficient for data shard j is
 * (k xor j) / (s xor j) in GF(2^8).
 *
 * 1 / (s xor j) is a Cauchy matrix (1 / (x_s + y_j), all x and y different), whose every square
 * submatrix is invertible; hence so are any k rows of the whole (J. S. Plank and L. Xu, "Optimizing
 * Cauchy Reed–Solomon codes", 2006). It is that of ISA-L's `gf_gen_cauchy1_matrix`. Multiplying each
 * column by a constant, here k xor j, keeps the property and makes the first parity shard the
 * exclusive or of the data.
 */
export function codingRow(dataShards: number, shard: number): Uint8Array {
  return Uint8Array.from({ length: dataShards }, (_, column) => {
    if (shard < dataShards) return shard === column ? 1 : 0;
    return multiply(dataShards ^ column, inverse(shard ^ column));
  });
}

/**
 * For every shard from 0 to `shards - 1`, the coefficients that make it from the k `sources`
 * (different shard numbers, in the order in which their bytes will be given).
 */
export function decodingRows(dataShards: number, shards: number, sources: readonly number[]): Uint8Array[] {
  const toData = invert(sources.map(source => codingRow(dataShards, source)));
  return Array.from({ length: shards }, (_, shard) => multiplyRow(codingRow(dataShards, shard), toData));
}

/** Gauss–Jordan elimination. RangeError when there is no inverse. The argument is left as it was. */
export function invert(matrix: readonly Uint8Array[]): Uint8Array[] {
  const size = matrix.length;
  const work = matrix.map((row, index) => Uint8Array.from([...row, ...codingRow(size, index)]));
  for (let column = 0; column < size; column += 1) {
    const pivot = takePivot(work, column);
    scale(pivot, inverse(pivot[column] ?? 0));
    for (const row of work) {
      if (row !== pivot) addMultiple(row, pivot, row[column] ?? 0);
    }
  }
  return work.map(row => row.slice(size));
}

/** Brings a row that is not 0 in the column to the diagonal. */
function takePivot(work: Uint8Array[], column: number): Uint8Array {
  const found = work.findIndex((row, index) => index >= column && row[column] !== 0);
  const [pivot, displaced] = [work[found], work[column]];
  if (pivot === undefined || displaced === undefined) throw new RangeError('The matrix has no inverse.');
  work[found] = displaced;
  work[column] = pivot;
  return pivot;
}

function multiplyRow(row: Uint8Array, matrix: readonly Uint8Array[]): Uint8Array {
  const product = new Uint8Array(row.length);
  matrix.forEach((other, index) => addMultiple(product, other, row[index] ?? 0));
  return product;
}

function scale(row: Uint8Array, factor: number): void {
  row.forEach((value, column) => (row[column] = multiply(value, factor)));
}

function addMultiple(row: Uint8Array, other: Uint8Array, factor: number): void {
  other.forEach((value, column) => (row[column] = (row[column] ?? 0) ^ multiply(value, factor)));
}
