import type { StorageEventListener } from './storage-events.js';

/** Work that no client waits for. What fails is reported, and must be safe to leave undone. */
export class BackgroundWork {
  private readonly running = new Set<Promise<void>>();

  constructor(private readonly onEvent: StorageEventListener) {}

  run(doing: string, task: () => Promise<unknown>): void {
    const work: Promise<void> = task()
      .catch((error: unknown) => this.onEvent({ kind: 'upkeep-failed', doing, error }))
      .then(() => void this.running.delete(work));
    this.running.add(work);
  }

  /** Resolves when nothing runs any more. */
  async idle(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }
}
