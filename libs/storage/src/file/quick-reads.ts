/** What is asked of the system; tests have their own. */
export interface QuickReadOptions {
  nowMs: () => number;
  /** Counts what the process has read from disks rather than from the page cache. */
  blocksRead: () => number;
}

/** Reads at once and returns what `read` does, or undefined where a thread has to do it. */
export type QuickRead = (length: number, read: () => number) => number | undefined;

/** Whatever a record of a pack may have. */
const QUICK_BYTES = 128 * 1024;
const QUICK_MS = 0.1;
const MAX_PAUSE_MS = 10_000;

const system: QuickReadOptions = {
  nowMs: () => performance.now(),
  blocksRead: () => process.resourceUsage().fsRead,
};

/**
 * Small reads on the spot as long as the page cache answers them: that takes 5 µs, and handing a read
 * to a thread and back several times as much. One that took longer has waited for the disk: for a
 * hundred times as long all reads go to threads then, so that a cold or hung disk holds up the event
 * loop for a hundredth of the time. A process that has read nothing from a disk since it last looked
 * only waited for the processor; but not every file system counts, so of two in a row that is not believed.
 */
export function quickReads({ nowMs, blocksRead }: QuickReadOptions = system): QuickRead {
  let pausedUntilMs = 0;
  let blocksBefore = blocksRead();
  let wasSlow = false;

  const hasWaitedForDisk = (): boolean => {
    const blocks = blocksRead();
    const hasRead = blocks !== blocksBefore;
    blocksBefore = blocks;
    return hasRead || wasSlow;
  };

  return (length, read) => {
    const startedMs = nowMs();
    if (length > QUICK_BYTES || startedMs < pausedUntilMs) return undefined;
    try {
      return read();
    } finally {
      const endedMs = nowMs();
      const tookMs = endedMs - startedMs;
      const isSlow = tookMs > QUICK_MS;
      if (isSlow && hasWaitedForDisk()) pausedUntilMs = endedMs + Math.min(100 * tookMs, MAX_PAUSE_MS);
      wasSlow = isSlow;
    }
  };
}
