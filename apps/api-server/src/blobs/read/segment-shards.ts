import type { Member } from '#cluster';
import { GranaryError } from '#contracts';
import { schemeOf, serverOf, toServerId, type NewBlob, type RedundancyScheme } from '#metadata';
import type { ShardStore } from '#storage';
import type { BlobParts } from '../blob-parts.js';
import type { ShardFailure, ShardFault } from './shard-stream.js';

/**
 * What a read knows of the shards of one segment: where they are, which to ask first, and what went
 * wrong with which. Reports what is damaged or missing as it is found.
 */
export class SegmentShards {
  readonly scheme: RedundancyScheme;
  /** Of those that were asked in vain. */
  private readonly faults = new Map<number, ShardFault>();
  private lastCause: unknown;

  constructor(
    private readonly parts: BlobParts,
    private readonly blob: NewBlob,
    private readonly segment: number,
  ) {
    this.scheme = schemeOf(blob.redundancy);
  }

  /** Undefined while nothing is known of a server that should have the shard. */
  serverOf(shard: number): Member | undefined {
    const id = serverOf(this.blob.layout, this.segment, shard);
    return id && this.parts.servers.find(id);
  }

  storeOf(shard: number): ShardStore {
    const server = this.serverOf(shard);
    if (server === undefined) throw new Error(`Shard ${shard} has no server.`);
    return this.parts.servers.storeOf(server);
  }

  /**
   * Shards that may be read, the preferred first. With reluctance 0 only those of which nothing bad is
   * known, with 1 also those of servers that are suspects or were slow lately, with 2 also those that
   * were slow in this read.
   */
  readable(reluctance: 0 | 1 | 2): number[] {
    const ranked: number[][] = [[], [], []];
    for (let shard = 0; shard < this.scheme.shards; shard += 1) {
      const rank = this.reluctanceOf(shard);
      if (rank !== undefined && rank <= reluctance) ranked[rank]?.push(shard);
    }
    return ranked.flat();
  }

  /** The one to ask next; undefined when all that may be read have been asked. */
  bestOf(asked: ReadonlySet<number>): number | undefined {
    let [best, least] = [undefined as number | undefined, 3];
    for (let shard = 0; shard < this.scheme.shards && least > 0; shard += 1) {
      const reluctance = asked.has(shard) ? undefined : this.reluctanceOf(shard);
      if (reluctance !== undefined && reluctance < least) [best, least] = [shard, reluctance];
    }
    return best;
  }

  /** Whether enough others are left that need not be waited for. */
  canSpare(shard: number): boolean {
    let others = 0;
    for (let other = 0; other < this.scheme.shards; other += 1) {
      if (other !== shard && (this.reluctanceOf(other) ?? 2) < 2) others += 1;
    }
    return others >= this.scheme.needed;
  }

  /** Takes note of a shard that was asked in vain. */
  note({ shard, fault, cause }: ShardFailure): void {
    this.faults.set(shard, fault === 'slow' && !this.canSpare(shard) ? 'silent' : fault);
    this.lastCause = cause ?? this.lastCause;
    const server = this.serverOf(shard);
    if (server === undefined) return;
    if (fault === 'slow') return this.parts.slow.note(server.key);
    if (fault === 'silent') return;
    const position = { blobId: this.blob.id, segment: this.segment, shard };
    this.parts.report({ kind: `shard-${fault}`, position, server: toServerId(server.key) });
  }

  /** What to say when too few are left. Reports the blob as lost if waiting will not help. */
  failure(): GranaryError {
    const { shards, needed } = this.scheme;
    const what = `Segment ${this.segment} of the content`;
    let left = 0;
    for (let shard = 0; shard < shards; shard += 1) if (!this.isGone(shard)) left += 1;
    if (left >= needed) {
      return new GranaryError(
        'data-server-unavailable',
        `${what} needs ${needed} data servers of ${left} that have it, and fewer answer.`,
        { cause: this.lastCause, headers: { 'Retry-After': '1' } },
      );
    }
    this.parts.report({ kind: 'blob-lost', blobId: this.blob.id, segment: this.segment });
    return new GranaryError(
      'object-damaged',
      `${what} is lost: ${left} of the ${needed} shards that it needs are left.`,
      { cause: this.lastCause },
    );
  }

  private reluctanceOf(shard: number): 0 | 1 | 2 | undefined {
    const fault = this.faults.get(shard);
    const server = this.serverOf(shard);
    if (server === undefined || (fault !== undefined && fault !== 'slow')) return undefined;
    if (fault === 'slow') return 2;
    return server.suspect || this.parts.slow.has(server.key) ? 1 : 0;
  }

  private isGone(shard: number): boolean {
    const fault = this.faults.get(shard);
    const server = serverOf(this.blob.layout, this.segment, shard);
    const isNowhere = server === undefined || this.parts.servers.isForgotten(server);
    return isNowhere || fault === 'missing' || fault === 'damaged';
  }
}
