import { crc32c } from '@node-rs/crc32';
import { PacedTransfer } from '#time';
import { checkTransfer } from '../../damaged-transfer.js';
import type { WholePut } from '../codec/batch-frames.js';
import { MalformedFrame } from '../codec/frame-types.js';
import type { CommitRequest, PutRequest } from '../codec/request-frames.js';
import type { LocalShardWriter, ShardInfo } from '../../shard-store.js';

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

  /** All of it, in the order of the requests. Throws DamagedTransfer. */
  takeAll(): WholePut[] {
    const [only] = this.pieces;
    const bytes = only !== undefined && this.pieces.length === 1 ? only : Buffer.concat(this.pieces);
    let at = 0;
    return this.requests.map(request => {
      const body = bytes.subarray(at, (at += request.length));
      checkTransfer(crc32c(body), request.crc32c);
      return { request, body };
    });
  }
}

/** The body of a `create` on its way into the store. */
export class IncomingStream {
  private readonly transfer: PacedTransfer;

  constructor(
    private readonly writer: LocalShardWriter,
    length: number | undefined,
  ) {
    this.transfer = new PacedTransfer(length);
  }

  get releasesChunks(): boolean {
    return this.writer.releasesChunks === true;
  }

  take(piece: Buffer): Promise<void> | undefined {
    return this.transfer.pace(piece.length, this.writer.write(piece));
  }

  /** As LocalShardWriter. */
  commit(request: CommitRequest): Promise<ShardInfo> {
    return this.writer.commit(request);
  }

  abort(): Promise<void> {
    return this.writer.abort();
  }
}
