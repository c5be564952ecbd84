/**
 * When a copy was written, on a clock that only moves forward: milliseconds since 1970 × 1024 plus a
 * counter, as a safe integer (good until the year 2248). Of two copies of one name the greater stamp
 * is the newer; equal stamps are settled by the greater entity tag, so that all servers agree.
 * 0 is the stamp of a copy whose age is unknown (a peer's).
 */
export type Stamp = number;

export const STAMPS_PER_MS = 1024;

export function parseStamp(text: string | undefined): Stamp | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  const stamp = Number(text);
  return Number.isSafeInteger(stamp) ? stamp : undefined;
}
