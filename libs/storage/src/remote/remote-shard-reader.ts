import { encodeObjectName, type ObjectName } from '#contracts';
import type { ByteRange, ShardInfo, ShardReader, Sink } from '../shard-store.js';
import type { DataServerClient, Field } from './data-server-client.js';
import { DataServerUnavailable } from '../data-server-unavailable.js';
import type { Response } from './http-connection.js';
import { preconditionFields, rangeField, readContentRange } from './object-fields.js';
import { refusalOf } from './refusal.js';

/** A response whose body is the bytes of this range. */
export interface Prefetched {
  response: Response;
  range: ByteRange;
}

/**
 * Reads one state of an object: the prefetched range from the response that opened it, every other
 * range by a request of its own, which demands the same entity tag.
 */
export class RemoteShardReader implements ShardReader {
  private prefetched: Prefetched | undefined;

  constructor(
    private readonly client: DataServerClient,
    private readonly key: ObjectName,
    readonly info: ShardInfo & { size: number },
    prefetched: Prefetched | undefined,
  ) {
    this.prefetched = prefetched;
  }

  async copyTo(sink: Sink, range?: ByteRange, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    const { first, last } = range ?? { first: 0, last: this.info.size - 1 };
    if (last < first) return;
    const bytes = this.bytesAtHand(first, last);
    if (bytes !== undefined) return sink(bytes);
    const response = this.takePrefetched(first, last) ?? (await this.request({ first, last }, signal));
    await response.copyTo(sink, signal);
  }

  async close(): Promise<void> {
    this.prefetched?.response.discard();
    this.prefetched = undefined;
  }

  private bytesAtHand(first: number, last: number): Buffer | undefined {
    if (this.prefetched === undefined) return undefined;
    const { response, range } = this.prefetched;
    if (first < range.first || last > range.last) return undefined;
    return response.bytes?.subarray(first - range.first, last - range.first + 1);
  }

  private takePrefetched(first: number, last: number): Response | undefined {
    if (this.prefetched === undefined || this.prefetched.response.bytes !== undefined) return undefined;
    const { response, range } = this.prefetched;
    this.prefetched = undefined;
    if (first === range.first && last === range.last) return response;
    response.discard();
    return undefined;
  }

  private async request(range: ByteRange, signal: AbortSignal | undefined): Promise<Response> {
    const fields: Field[] = [...preconditionFields({ ifMatch: [this.info.etag ?? ''] }), rangeField(range)];
    const response = await this.client.read({ method: 'GET', key: this.key, fields, signal });
    if (this.isExactly(response, range)) return response;
    const refusal = await refusalOf(this.client.address, response);
    if (response.status !== 404 && response.status !== 412) throw refusal;
    throw new DataServerUnavailable(
      this.client.address,
      'changed',
      `has replaced or removed ${encodeObjectName(this.key)} while it was being read`,
      { cause: refusal },
    );
  }

  private isExactly(response: Response, { first, last }: ByteRange): boolean {
    if (response.status !== 206 || response.bodyLength !== last - first + 1) return false;
    const told = readContentRange(response);
    return told?.range.first === first && told.range.last === last && told.size === this.info.size;
  }
}
