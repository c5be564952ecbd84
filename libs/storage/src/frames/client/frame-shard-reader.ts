import { encodeObjectName, type ObjectName } from '#contracts';
import { DataServerUnavailable } from '../../data-server-unavailable.js';
import type { ByteRange, ShardReader, Sink } from '../../shard-store.js';
import type { Found, SentInfo } from '../codec/answer-frames.js';
import type { Space } from '../codec/frame-types.js';
import { encodeGet } from '../codec/request-frames.js';
import { refusalOfAnswer } from './failure.js';
import type { FrameClient } from './frame-client.js';
import type { FrameConnection } from './frame-connection.js';

/** What was found, with its bytes, or with the connection on which they wait. */
export interface FoundBytes {
  found: Found;
  bytes: Buffer | undefined;
  connection: FrameConnection;
}

/**
 * Reads one state of an object: the prefetched range from the answer that opened it, every other range
 * by a request of its own, which demands the same entity tag.
 */
export class FrameShardReader implements ShardReader {
  readonly info: SentInfo;
  private prefetched: FoundBytes | undefined;

  constructor(
    private readonly client: FrameClient,
    private readonly of: { space: Space; key: ObjectName },
    prefetched: FoundBytes,
  ) {
    this.info = prefetched.found.info;
    this.prefetched = prefetched;
  }

  async copyTo(sink: Sink, range?: ByteRange, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    const { first, last } = range ?? { first: 0, last: this.info.size - 1 };
    if (last < first) return;
    const bytes = this.bytesAtHand(first, last);
    if (bytes !== undefined) return sink(bytes);
    const answered = this.takePrefetched(first, last) ?? (await this.request({ first, last }, signal));
    if (answered.bytes !== undefined) return sink(answered.bytes);
    await copyBody(answered.connection, sink, signal);
  }

  async close(): Promise<void> {
    if (this.prefetched !== undefined) discard(this.prefetched);
    this.prefetched = undefined;
  }

  private bytesAtHand(first: number, last: number): Buffer | undefined {
    if (this.prefetched?.bytes === undefined) return undefined;
    const { found, bytes } = this.prefetched;
    if (first < found.first || last >= found.first + found.length) return undefined;
    return bytes.subarray(first - found.first, last - found.first + 1);
  }

  /** Only once, unless the bytes are at hand. */
  private takePrefetched(first: number, last: number): FoundBytes | undefined {
    const { prefetched } = this;
    if (prefetched === undefined || prefetched.bytes !== undefined) return undefined;
    this.prefetched = undefined;
    if (isExactly(prefetched.found, first, last)) return prefetched;
    discard(prefetched);
    return undefined;
  }

  private async request({ first, last }: ByteRange, signal: AbortSignal | undefined): Promise<FoundBytes> {
    const get = { ...this.of, range: { first, last }, ifMatch: this.info.etag };
    const request = (exchange: number) => [encodeGet(get, exchange)];
    const { answer, connection } = await this.client.read({ kind: 'read', request, signal });
    if (answer.kind === 'found' && isExactly(answer.found, first, last)) return { ...answer, connection };
    if (answer.kind === 'found') discard({ ...answer, connection });
    const refusal = refusalOfAnswer(this.client.address, answer);
    if (answer.kind !== 'notFound' && refusal.code !== 'precondition-failed') throw refusal;
    throw new DataServerUnavailable(
      this.client.address,
      'changed',
      `has replaced or removed ${encodeObjectName(this.of.key)} while it was being read`,
      { cause: refusal },
    );
  }
}

function isExactly(found: Found, first: number, last: number): boolean {
  return found.first === first && found.length === last - first + 1;
}

async function copyBody(connection: FrameConnection, sink: Sink, signal: AbortSignal | undefined): Promise<void> {
  const onAbort = (): void => connection.cancelBody(signal?.reason);
  signal?.addEventListener('abort', onAbort);
  try {
    await connection.copyBody(sink);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function discard({ bytes, connection }: FoundBytes): void {
  if (bytes === undefined) connection.cancelBody(new Error('Nobody wants the rest of the object.'));
}
