/** What is asked of the system; tests have their own. */
export interface QuickReadOptions {
  nowMs: () => number;
  /** Counts what the process has read from disks rather than from the page cache. */
  blocksRead: () => number;
}

/** Reads at once and returns what `read` does, or undefined where a thread has to do it. */
export type QuickRead = (length: number, read: () => number) => number | undefined;

/** A whole record of a pack, with SMALL_OBJECT_BYTES as it is by default. */
const QUICK_READ_BYTES = 128 * 1024;
const QUICK_MS = 0.1;
const MAX_PAUSE_MS = 10_000;
/** Of all time, what slow reads may take that had not to wait for the disk; and how much of it may be saved up. */
const FORGIVEN_SHARE = 0.05;
const MAX_FORGIVEN_MS = 100;

const system: QuickReadOptions = {
  nowMs: () => performance.now(),
  blocksRead: () => process.resourceUsage().fsRead,
};

/**
 * Small reads on the spot as long as the page cache answers them: that takes microseconds, and handing
 * a read to a thread and back several times as much. One that took longer has waited for the disk: for
 * a hundred times as long all reads go to threads then, so that a cold or hung disk holds up the event
 * loop for a hundredth of the time. A process that has read nothing from a disk since it last looked
 * only waited for the processor; but not every file system counts, so that is believed for a twentieth
 * of the time at most.
 */
export function quickReads({ nowMs, blocksRead }: QuickReadOptions = system): QuickRead {
  let pausedUntilMs = 0;
  let blocksBefore = blocksRead();
  let forgivableMs = MAX_FORGIVEN_MS;
  let lookedAtMs = nowMs();

  const hasReadFromDisk = (): boolean => {
    const before = blocksBefore;
    blocksBefore = blocksRead();
    return blocksBefore !== before;
  };

  const isForgiven = (tookMs: number, endedMs: number): boolean => {
    forgivableMs = Math.min(MAX_FORGIVEN_MS, forgivableMs + (endedMs - lookedAtMs) * FORGIVEN_SHARE);
    lookedAtMs = endedMs;
    if (hasReadFromDisk() || tookMs > forgivableMs) return false;
    forgivableMs -= tookMs;
    return true;
  };

  return (length, read) => {
    const startedMs = nowMs();
    if (length > QUICK_READ_BYTES || startedMs < pausedUntilMs) return undefined;
    try {
      return read();
    } finally {
      const endedMs = nowMs();
      const tookMs = endedMs - startedMs;
      if (tookMs > QUICK_MS && !isForgiven(tookMs, endedMs)) {
        pausedUntilMs = endedMs + Math.min(100 * tookMs, MAX_PAUSE_MS);
      }
    }
  };
}
