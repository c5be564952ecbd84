import { crc32c } from '@node-rs/crc32';
import { GranaryError } from '#contracts';
import { PacedTransfer } from '#time';
import type { RangeSpec, ShardReader, ShardStore, Sink } from '../../shard-store.js';
import {
  encodeEmpty,
  encodeFound,
  encodeFoundWith,
  encodeSum,
  type Found,
  type SentInfo,
} from '../codec/answer-frames.js';
import { DataFramer } from '../codec/data-framer.js';
import { FRAMES } from '../codec/frame-types.js';
import type { GetRequest } from '../codec/request-frames.js';
import type { Outgoing } from './outgoing.js';

/** Copying so few bytes is cheaper than writing a vector. */
const JOINED_BYTES = 16 * 1024;
/** A copy that is longer may take a while, and ends when the client goes. */
const QUICK_BYTES = 64 * 1024;

/** The object's description, and behind it the bytes of the range that was asked for, or all. Resolves to the status. */
export async function answerGet(
  out: Outgoing,
  exchange: number,
  store: ShardStore,
  { key, range, ifMatch }: GetRequest,
): Promise<number> {
  const reader = await store.open(key);
  if (reader === undefined) {
    out.sendWithTurn(encodeEmpty(FRAMES.notFound, exchange));
    return 404;
  }
  try {
    const info = describe(reader, ifMatch);
    const { first, length } = resolve(range, info.size);
    const body = new OutgoingBody(out, exchange, { info, first, length });
    if (length > 0) await copy(reader, body, first, length, out);
    body.end();
    return 200;
  } finally {
    // The answer is complete without it, and the next request need not wait for a disk.
    void reader.close();
  }
}

function describe({ info }: ShardReader, ifMatch: string | undefined): SentInfo {
  const { size } = info;
  if (size === undefined) throw new Error('A store of a data server knows the size of its objects.');
  if (ifMatch !== undefined && ifMatch !== info.etag) {
    throw new GranaryError('precondition-failed', 'The object has been replaced meanwhile.');
  }
  return { ...info, size };
}

/** What of the object is asked for; nothing, if the range lies outside of it. */
function resolve(range: RangeSpec | undefined, size: number): { first: number; length: number } {
  if (range === undefined) return { first: 0, length: size };
  if ('suffixLength' in range) {
    const length = Math.min(range.suffixLength, size);
    return { first: size - length, length };
  }
  const last = Math.min(range.last ?? size - 1, size - 1);
  return { first: range.first, length: Math.max(0, last - range.first + 1) };
}

function copy(reader: ShardReader, body: OutgoingBody, first: number, length: number, out: Outgoing): Promise<void> {
  const range = length === reader.info.size ? undefined : { first, last: first + length - 1 };
  return reader.copyTo(body.sink, range, length > QUICK_BYTES ? { signal: out.goneSignal } : {});
}

/** Writes what was found: the head with the first bytes, in one write if that is all; behind a part, its checksum. */
class OutgoingBody {
  private framer: DataFramer | undefined;
  private unsent: number;
  private readonly isPart: boolean;
  private checksum = 0;
  private readonly transfer: PacedTransfer;

  constructor(
    private readonly out: Outgoing,
    private readonly exchange: number,
    private readonly found: Found,
  ) {
    this.unsent = found.length;
    this.isPart = found.length < found.info.size;
    this.transfer = new PacedTransfer(found.length);
  }

  readonly sink: Sink = chunk => {
    this.unsent -= chunk.length;
    if (this.unsent < 0) throw new Error('The store feeds more than the object has.');
    if (this.isPart) this.checksum = crc32c(chunk, this.checksum);
    const isAll = this.framer === undefined && this.unsent === 0;
    if (isAll && chunk.length <= JOINED_BYTES) return this.writeJoined(chunk);
    if (isAll && chunk.length <= QUICK_BYTES) return this.out.writeWithTurn(this.framed(chunk));
    return this.transfer.pace(chunk.length, this.out.write(this.framed(chunk)));
  };

  /** To be called when everything was fed. */
  end(): void {
    if (this.unsent > 0) throw new Error(`The store fed ${this.unsent} bytes less than the object has.`);
    if (this.found.length === 0) this.out.sendWithTurn(encodeFound({ ...this.found, first: 0 }, this.exchange));
  }

  private writeJoined(chunk: Buffer): undefined {
    const frames = encodeFoundWith(this.found, chunk, this.exchange);
    this.out.sendWithTurn(this.isPart ? Buffer.concat([frames, encodeSum(this.checksum, this.exchange)]) : frames);
    return undefined;
  }

  private framed(chunk: Buffer): Buffer[] {
    const parts = this.framer === undefined ? [encodeFound(this.found, this.exchange)] : [];
    this.framer ??= new DataFramer(this.found.length, this.exchange, true);
    parts.push(...this.framer.frame(chunk));
    this.out.isInsideData = this.framer.frameRemaining > 0;
    if (this.unsent === 0 && this.isPart) parts.push(encodeSum(this.checksum, this.exchange));
    return parts;
  }
}
