import { setTimeout as sleep } from 'node:timers/promises';
import { expireMarkers } from './expire-markers.js';
import { chooseForCompaction, compactPack } from './pack-compaction.js';
import type { Pack } from './pack-files.js';
import type { StoreParts } from './store-parts.js';

export interface UpkeepOptions {
  packSizeBytes: number;
  compactionBytesPerSecond: number;
  tombstoneTtlMs: number;
}

/** What a store does without being asked: follow the free space, compact packs, let tombstones expire. */
export class Upkeep {
  private readonly stopping = new AbortController();
  private readonly postponed = new Map<Pack, number>();
  private expiredAtMs = performance.now();
  private loop: Promise<void> | undefined;

  constructor(
    private readonly parts: StoreParts,
    private readonly options: UpkeepOptions,
  ) {}

  start(): void {
    this.loop = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await sleep(INTERVAL_MS, undefined, { ref: false, signal }).catch(() => {});
      if (signal.aborted) return;
      await this.attempt('following the free space', () => this.followSpace());
      await this.attempt('compacting packs', () => this.compactOne());
      await this.attempt('expiring tombstones', () => this.expire());
    }
  }

  private async attempt(doing: string, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (!this.stopping.signal.aborted) this.parts.onEvent({ kind: 'upkeep-failed', doing, error });
    }
  }

  private async followSpace(): Promise<void> {
    const { space, reserve, writer } = this.parts;
    await space.refresh();
    await reserve.restore(space.now.freeBytes);
    const current = writer.current?.pack;
    const halfDead = current !== undefined && current.size > MIN_SEALED_BYTES && current.liveBytes * 2 < current.size;
    if (space.readOnlyReason !== undefined && halfDead) await writer.seal();
  }

  private async compactOne(): Promise<void> {
    const { packs } = this.parts;
    const now = performance.now();
    const eligible = [...packs.all()].filter(pack => (this.postponed.get(pack) ?? 0) < now);
    const pack = chooseForCompaction(eligible, this.options.packSizeBytes);
    if (pack === undefined) return;
    try {
      await compactPack(this.parts, pack, this.options.compactionBytesPerSecond, this.stopping.signal);
      this.postponed.delete(pack);
    } catch (error) {
      this.postponed.set(pack, now + RETRY_AFTER_MS);
      throw error;
    }
  }

  private async expire(): Promise<void> {
    if (performance.now() - this.expiredAtMs < EXPIRE_EVERY_MS) return;
    this.expiredAtMs = performance.now();
    await expireMarkers(this.parts, this.options.tombstoneTtlMs);
  }
}

const INTERVAL_MS = 1000;
/** What is less is not worth a pack of its own, even on a full disk. */
const MIN_SEALED_BYTES = 64 * 1024;
const RETRY_AFTER_MS = 600_000;
const EXPIRE_EVERY_MS = 3_600_000;
