import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CatalogEntry, ShardCatalog } from '#storage';

const SLICE_MS = 5;
const ENTRIES_PER_CLOCK_READING = 64;

/** All entries, letting others run after every few milliseconds: a catalog may have millions. */
export async function readCatalog(
  catalog: ShardCatalog,
  visit: (entry: CatalogEntry) => Promise<void> | undefined,
  isCancelled: () => boolean,
): Promise<void> {
  let sliceEndMs = performance.now() + SLICE_MS;
  let count = 0;
  for (const entry of catalog.entries()) {
    const pause = visit(entry) ?? (isSliceOver() ? nextTurn() : undefined);
    if (pause === undefined) continue;
    await pause;
    if (isCancelled()) return;
    sliceEndMs = performance.now() + SLICE_MS;
  }

  function isSliceOver(): boolean {
    return ++count % ENTRIES_PER_CLOCK_READING === 0 && performance.now() >= sliceEndMs;
  }
}
