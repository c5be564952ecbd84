/** Castagnoli's polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78;

/** A linear map of 32 bits: what becomes of each bit alone. */
type Matrix = Uint32Array<ArrayBuffer>;

/** What zero bytes do to the register: of 1, 2, 4, 8 … of them. */
const zeroBytes: Matrix[] = [];

/**
 * What the register of a CRC-32C becomes by as many zero bytes. A CRC is linear in its start: for any bytes
 * b, `crc32c(b, x) ^ crc32c(b, y)` is `shiftCrc32c(x ^ y, b.length)`.
 */
export function shiftCrc32c(register: number, bytes: number): number {
  let shifted = register >>> 0;
  for (let left = bytes, power = 0; left > 0; left = Math.floor(left / 2), power += 1) {
    if (left % 2 === 1) shifted = apply(matrixOf(power), shifted);
  }
  return shifted;
}

/** Of 2^power zero bytes. */
function matrixOf(power: number): Matrix {
  const known = zeroBytes[power];
  if (known !== undefined) return known;
  const matrix = power === 0 ? oneZeroByte() : squareOf(matrixOf(power - 1));
  zeroBytes[power] = matrix;
  return matrix;
}

function oneZeroByte(): Matrix {
  let matrix = Uint32Array.from({ length: 32 }, (_, bit) => (bit === 0 ? POLYNOMIAL : 2 ** (bit - 1)));
  // One bit, two, four, eight.
  for (let doublings = 0; doublings < 3; doublings += 1) matrix = squareOf(matrix);
  return matrix;
}

function squareOf(matrix: Matrix): Matrix {
  return matrix.map(column => apply(matrix, column));
}

function apply(matrix: Matrix, vector: number): number {
  let sum = 0;
  for (let rest = vector, bit = 0; rest !== 0; rest >>>= 1, bit += 1) {
    if ((rest & 1) === 1) sum ^= matrix[bit] ?? 0;
  }
  return sum >>> 0;
}
