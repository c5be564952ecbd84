/**
 * The field that bytes are coded in: GF(2^8) as polynomials over GF(2) modulo
 * x^8 + x^4 + x^3 + x^2 + 1 (0x11d, primitive, generator 2): that of Linux's RAID-6 (H. P. Anvin,
 * "The mathematics of RAID-6") and of Intel's ISA-L. Addition and subtraction are exclusive or.
 */
const POLYNOMIAL = 0x11d;
const ORDER = 255;

const { powers, logarithms } = powersOfTwo();

/** The product of two bytes. */
export function multiply(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return powers[(logarithms[a] ?? 0) + (logarithms[b] ?? 0)] ?? 0;
}

/** The byte whose product with `a` is 1. RangeError for 0, which has none. */
export function inverse(a: number): number {
  if (a === 0) throw new RangeError('0 has no inverse.');
  return powers[ORDER - (logarithms[a] ?? 0)] ?? 0;
}

/** Twice as long as needed for one period, so that a sum of two logarithms is an index. */
function powersOfTwo(): { powers: Uint8Array; logarithms: Uint8Array } {
  const powers = new Uint8Array(2 * ORDER);
  const logarithms = new Uint8Array(256);
  for (let exponent = 0, power = 1; exponent < ORDER; exponent += 1) {
    powers[exponent] = power;
    powers[exponent + ORDER] = power;
    logarithms[power] = exponent;
    power = (power << 1) ^ (power >= 128 ? POLYNOMIAL : 0);
  }
  return { powers, logarithms };
}
