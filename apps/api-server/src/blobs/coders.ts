import { ReedSolomon } from '#erasure';
import type { RedundancyScheme } from '#metadata';

const coders = new Map<string, ReedSolomon>();

/** A coder holds no state of a stream, so one for each scheme will do. */
export function coderOf({ shards, needed }: RedundancyScheme): ReedSolomon {
  const key = `${needed}+${shards - needed}`;
  const coder = coders.get(key) ?? new ReedSolomon(needed, shards - needed);
  coders.set(key, coder);
  return coder;
}
