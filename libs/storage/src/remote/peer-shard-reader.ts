import type { ByteRange, ShardInfo, ShardReader, Sink } from '../shard-store.js';
import { DataServerUnavailable } from '../data-server-unavailable.js';
import type { Response } from './http-connection.js';

/** Reads an object of a peer from its beginning; a second reading asks anew, and may find another object. */
export class PeerShardReader implements ShardReader {
  private opened: Response | undefined;

  constructor(
    private readonly address: string,
    readonly info: ShardInfo,
    opened: Response,
    private readonly get: (signal: AbortSignal | undefined) => Promise<Response | undefined>,
  ) {
    this.opened = opened;
  }

  async copyTo(sink: Sink, range?: ByteRange, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    const response = await this.begin(signal);
    if (range === undefined) return response.copyTo(sink, signal);
    const cut = new RangeCut(sink, range);
    try {
      await response.copyTo(chunk => cut.take(chunk), signal);
    } catch (error) {
      if (error !== RANGE_COMPLETE) throw error;
    }
    if (!cut.isComplete) throw this.changed('holds an object that is shorter than the range');
  }

  async close(): Promise<void> {
    this.opened?.discard();
    this.opened = undefined;
  }

  private async begin(signal: AbortSignal | undefined): Promise<Response> {
    const response = this.opened ?? (await this.get(signal));
    this.opened = undefined;
    if (response === undefined) throw this.changed('has lost the object while it was being read');
    return response;
  }

  private changed(detail: string): DataServerUnavailable {
    return new DataServerUnavailable(this.address, 'changed', detail);
  }
}

/** Thrown into the flow of a body to end it. */
const RANGE_COMPLETE = new Error('The range is complete.');

class RangeCut {
  private at = 0;

  constructor(
    private readonly sink: Sink,
    private readonly range: ByteRange,
  ) {}

  get isComplete(): boolean {
    return this.at > this.range.last;
  }

  take(chunk: Buffer): Promise<void> | undefined {
    const from = Math.max(0, this.range.first - this.at);
    const to = Math.min(chunk.length, this.range.last + 1 - this.at);
    this.at += chunk.length;
    const taken = from < to ? this.sink(chunk.subarray(from, to)) : undefined;
    return this.isComplete ? complete(taken) : taken;
  }
}

async function complete(taken: Promise<void> | undefined): Promise<void> {
  await taken;
  throw RANGE_COMPLETE;
}
