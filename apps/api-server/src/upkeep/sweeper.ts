import { setTimeout as sleep } from 'node:timers/promises';
import type { Blob, MetadataStore } from '#metadata';
import type { Logger } from '#telemetry';
import type { BlobStore } from '../blobs/blob-store.js';
import { forgetOldCommits } from './forget-old-commits.js';
import { sweepBlobs } from './sweep-blobs.js';
import type { SweepMetrics } from './sweep-metrics.js';

export interface SweeperOptions {
  metadata: Pick<MetadataStore, 'freeBlobs' | 'forgetBlobs' | 'forgetCommits'>;
  blobs: Pick<BlobStore, 'remove'>;
  /** As SweepBlobsOptions. Also the longest that a sweep waits for the next, if it is less than a minute. */
  graceMs: number;
  metrics: SweepMetrics;
  logger: Logger;
  /** As SweepBlobsOptions. */
  leaseMs?: number;
  /** 0 to 1. */
  random?: () => number;
}

const INTERVAL_MS = 60_000;
/** Far more than a page takes; and a server that is away is not asked more often. */
const LEASE_MS = 10 * 60_000;

/**
 * Sweeps about once a minute. Every process that serves objects has one, workers too: each is given other
 * blobs, so that more of them free more, and any may die. They start at random moments.
 */
export class Sweeper {
  readonly #stop = new AbortController();
  #ended: Promise<void> | undefined;
  #isFailing = false;

  constructor(private readonly options: SweeperOptions) {}

  start(): void {
    this.#ended ??= this.#sweepOnAndOn();
  }

  /** Resolves when the sweep under way, if any, has ended: within the deadlines of one removal and one change. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  /** Never rejects: a sweep that fails is said once, and the next one goes on. */
  async sweep(): Promise<void> {
    const { metadata, logger } = this.options;
    const { signal } = this.#stop;
    try {
      await this.#sweepBlobs(signal);
      await forgetOldCommits(metadata, signal);
      if (this.#isFailing) logger.info('sweeping again');
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) logger.warn({ err: error }, 'a sweep failed; it is tried again, and said no more');
      this.#isFailing = true;
    }
  }

  async #sweepBlobs(signal: AbortSignal): Promise<void> {
    const { graceMs, leaseMs = LEASE_MS, logger } = this.options;
    const onFreed = (blobs: readonly Blob[]): void => this.#count(blobs);
    const kept = await sweepBlobs(this.options, { graceMs, leaseMs, signal, onFreed });
    if (kept > 0)
      logger.info({ blobs: kept }, 'freed blobs have shards on servers that do not answer: tried again later');
  }

  #count(blobs: readonly Blob[]): void {
    const { metrics } = this.options;
    metrics.blobs.inc(blobs.length);
    metrics.bytes.inc(blobs.reduce((sum, { storedBytes }) => sum + storedBytes, 0));
  }

  async #sweepOnAndOn(): Promise<void> {
    const { graceMs, random = Math.random } = this.options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const pauseMs = Math.min(INTERVAL_MS, graceMs) * (0.5 + random());
      // oxlint-disable-next-line no-await-in-loop -- one sweep after the other
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
      // oxlint-disable-next-line no-await-in-loop -- as above
      if (!signal.aborted) await this.sweep();
    }
  }
}
