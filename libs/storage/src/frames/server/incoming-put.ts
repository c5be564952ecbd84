import { crc32c } from '@node-rs/crc32';
import { PacedTransfer } from '#time';
import type { WholePut } from '../codec/batch-frames.js';
import { MalformedFrame } from '../codec/frame-types.js';
import type { CommitRequest, PutRequest } from '../codec/request-frames.js';
import type { ShardInfo, ShardWriter } from '../../shard-store.js';

/** The body of a `put` on its way, or those of several: collected, since they are small. */
export class IncomingWhole {
  private readonly length: number;
  private pieces: Buffer[] = [];
  private received = 0;

  /** Throws MalformedFrame. */
  constructor(
    private readonly requests: readonly PutRequest[],
    readonly kind: 'put' | 'putAll',
    maxBytes: number,
  ) {
    this.length = requests.reduce((sum, { length }) => sum + length, 0);
    if (this.length > maxBytes) throw new MalformedFrame(`a put has more than ${maxBytes} bytes`);
  }

  get isComplete(): boolean {
    return this.received === this.length;
  }

  take(piece: Buffer): void {
    this.received += piece.length;
    if (this.received > this.length) throw new MalformedFrame('a put has more bytes than it said');
    this.pieces.push(piece);
  }

  /** All of it, in the order of the requests. Throws MalformedFrame if it is not what was sent. */
  takeAll(): WholePut[] {
    const [only] = this.pieces;
    const bytes = only !== undefined && this.pieces.length === 1 ? only : Buffer.concat(this.pieces);
    let at = 0;
    return this.requests.map(request => {
      const body = bytes.subarray(at, (at += request.length));
      if (crc32c(body) !== request.crc32c) throw damaged();
      return { request, body };
    });
  }
}

/** The body of a `create` on its way into the store. */
export class IncomingStream {
  private checksum = 0;
  private readonly transfer: PacedTransfer;

  constructor(
    private readonly writer: ShardWriter,
    length: number | undefined,
  ) {
    this.transfer = new PacedTransfer(length);
  }

  get releasesChunks(): boolean {
    return this.writer.releasesChunks === true;
  }

  take(piece: Buffer): Promise<void> | undefined {
    this.checksum = crc32c(piece, this.checksum);
    return this.transfer.pace(piece.length, this.writer.write(piece));
  }

  /** Throws MalformedFrame, and stores nothing, if the bytes are not those that were sent. */
  commit({ crc32c: sent, expected }: CommitRequest): Promise<ShardInfo> {
    if (this.checksum !== sent) throw damaged();
    return this.writer.commit({ expected });
  }

  abort(): Promise<void> {
    return this.writer.abort();
  }
}

function damaged(): MalformedFrame {
  return new MalformedFrame('the bytes of an object have another checksum than they were sent with');
}
