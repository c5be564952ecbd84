import { crc32c } from '@node-rs/crc32';
import type { Sink } from '../../shard-store.js';
import { MalformedFrame } from '../codec/frame-types.js';
import type { Found } from '../codec/answer-frames.js';

/** A body this small is collected, which frees its connection before anybody asks for the bytes. */
const COLLECTED_BYTES = 64 * 1024;

/**
 * The bytes that follow a `found`. Of a part of an object the last piece is kept back until the part's
 * checksum is here: nothing else would notice what was damaged on the way.
 */
export class IncomingBody {
  /** The whole body, as far as it has come; undefined if it is too long for that. */
  readonly collected: Buffer | undefined;
  remaining: number;
  /** Where the bytes of a body that is not collected go; until there is one they wait unread. */
  sink: Sink | undefined;

  private readonly isPart: boolean;
  private isVerified = false;
  private checksum = 0;
  private keptBack: Buffer | undefined;

  constructor(readonly found: Found) {
    this.remaining = found.length;
    this.isPart = found.length < found.info.size;
    if (found.length <= COLLECTED_BYTES) this.collected = Buffer.allocUnsafe(found.length);
  }

  /** Whether nothing more is to come. */
  get isComplete(): boolean {
    return this.remaining === 0 && (!this.isPart || this.isVerified);
  }

  /** Where the next so many bytes of data belong, to be read there directly. */
  place(bytes: number): Buffer | undefined {
    if (this.collected === undefined || this.remaining === 0 || bytes === 0) return undefined;
    const at = this.collected.length - this.remaining;
    return this.collected.subarray(at, at + bytes);
  }

  /** They have been read to their place. */
  placed(bytes: number): void {
    this.remaining -= bytes;
  }

  /** Takes a piece. The promise resolves when its buffer may be used again. */
  take(piece: Buffer): Promise<void> | undefined {
    if (piece.length > this.remaining) throw new MalformedFrame('more bytes came than were announced');
    if (this.collected !== undefined) {
      piece.copy(this.collected, this.collected.length - this.remaining);
      this.remaining -= piece.length;
      return undefined;
    }
    this.remaining -= piece.length;
    if (this.isPart) this.checksum = crc32c(piece, this.checksum);
    if (!this.isPart || this.remaining > 0) return this.sink?.(piece);
    this.keptBack = Buffer.from(piece);
    return undefined;
  }

  /** The part's checksum has come. Throws MalformedFrame; else the rest goes to the sink. */
  verify(expected: number): Promise<void> | undefined {
    if (!this.isPart || this.remaining > 0) throw new MalformedFrame('a checksum came out of turn');
    const actual = this.collected === undefined ? this.checksum : crc32c(this.collected);
    if (actual !== expected)
      throw new MalformedFrame('a part of an object has another checksum than its data server told');
    this.isVerified = true;
    return this.keptBack && this.sink?.(this.keptBack);
  }
}
