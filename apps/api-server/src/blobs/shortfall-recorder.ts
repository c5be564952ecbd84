import { newCommitId, type MetadataStore, type MovedShard } from '#metadata';
import type { Logger } from '#telemetry';
import type { BlobTrouble } from './blob-trouble.js';

export interface ShortfallRecorderOptions {
  metadata: Pick<MetadataStore, 'placeShards' | 'markLost'>;
  logger: Logger;
  /** Between tries. Default: 1 s, doubled after each. */
  retryMs?: number;
  /** Beyond these reports are dropped; another read will find the same again. Default: 10 000. */
  maxPending?: number;
}

const MAX_TRIES = 5;
const BATCH = 100;
/** So long is what was recorded not recorded again: a popular object is read many times before its repair. */
const REMEMBERED_MS = 60_000;

/**
 * Writes down what readers report, so that it is repaired: shards as nowhere, which queues their repair,
 * and blobs as lost. A reader never waits for it, and a report that came before or late does no harm:
 * only a shard that is recorded at the very server is taken for missing there.
 */
export class ShortfallRecorder {
  readonly #pending = new Map<string, BlobTrouble>();
  readonly #recorded = new Map<string, number>();
  #writing: Promise<void> | undefined;
  #isClosed = false;
  #endPause: (() => void) | undefined;

  constructor(private readonly options: ShortfallRecorderOptions) {}

  /** Never throws. */
  report(trouble: BlobTrouble): void {
    const key = keyOf(trouble);
    const { maxPending = 10_000 } = this.options;
    if (this.#isClosed || this.#pending.has(key) || this.#pending.size >= maxPending || this.#isFresh(key)) return;
    this.#pending.set(key, trouble);
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  /** Resolves when nothing is pending; what cannot be written at once is given up. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endPause?.();
    await this.#writing;
  }

  #isFresh(key: string): boolean {
    const recordedMs = this.#recorded.get(key);
    return recordedMs !== undefined && performance.now() - recordedMs < REMEMBERED_MS;
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    // Reports of one moment, such as those of a server that lost its disk, go together.
    await new Promise(resolve => setImmediate(resolve));
    while (this.#pending.size > 0) {
      const batch = [...this.#pending].slice(0, BATCH);
      const isRecorded = await this.#tryToRecord(batch.map(([, trouble]) => trouble));
      for (const [key] of batch) {
        this.#pending.delete(key);
        if (isRecorded) this.#remember(key);
      }
    }
  }

  #remember(key: string): void {
    this.#recorded.delete(key);
    this.#recorded.set(key, performance.now());
    const oldest = this.#recorded.keys().next().value;
    if (this.#recorded.size > (this.options.maxPending ?? 10_000) && oldest !== undefined)
      this.#recorded.delete(oldest);
  }

  async #tryToRecord(batch: readonly BlobTrouble[]): Promise<boolean> {
    const { logger, retryMs = 1000 } = this.options;
    const commitId = newCommitId();
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#record(commitId, batch);
        return true;
      } catch (error) {
        if (attempt < MAX_TRIES && !this.#isClosed) await this.#pause(retryMs * 2 ** (attempt - 1));
        if (attempt < MAX_TRIES && !this.#isClosed) continue;
        logger.warn({ err: error, reports: batch.length }, 'what readers reported could not be recorded');
        return false;
      }
    }
  }

  async #record(commitId: ReturnType<typeof newCommitId>, batch: readonly BlobTrouble[]): Promise<void> {
    const { metadata } = this.options;
    const shards = batch.flatMap(movedShard);
    if (shards.length > 0) await metadata.placeShards({ commitId, shards });
    for (const trouble of batch) if (trouble.kind === 'blob-lost') await metadata.markLost(trouble.blobId);
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      this.#endPause = resolve;
      setTimeout(resolve, ms).unref();
    });
  }
}

function movedShard(trouble: BlobTrouble): MovedShard[] {
  if (trouble.kind === 'blob-lost') return [];
  const { blobId, segment, shard } = trouble.position;
  return [{ blobId, segment, shard, server: undefined, from: trouble.server }];
}

function keyOf(trouble: BlobTrouble): string {
  if (trouble.kind === 'blob-lost') return trouble.blobId;
  const { blobId, segment, shard } = trouble.position;
  return `${blobId} ${segment} ${shard} ${trouble.server}`;
}
