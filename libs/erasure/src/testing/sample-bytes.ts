/** Bytes that look random and are the same on every machine: the high byte of a linear congruential generator. */
export function sampleBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2_654_435_761 + 12_345) >>> 0;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** All ways to choose `count` of the numbers 0 … `total - 1`. */
export function choicesOf(total: number, count: number): number[][] {
  if (count === 0) return [[]];
  return Array.from({ length: total }, (_, last) => last).flatMap(last =>
    choicesOf(last, count - 1).map(choice => [...choice, last]),
  );
}
