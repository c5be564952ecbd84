import {
  FRAMES,
  FRAME_HEADER_BYTES,
  MAX_DATA_BYTES,
  MAX_HEAD_BYTES,
  MalformedFrame,
  isFrameType,
  type FrameType,
} from './frame-types.js';

/** `frame`: `type`, `exchange` and `payload` are those of a whole frame. `data`: `data` is a piece of a data frame. */
export type FrameEvent = 'need-input' | 'frame' | 'data';

const EMPTY = Buffer.alloc(0);

/**
 * Takes a stream of bytes, cut anywhere, apart into frames. The caller feeds a buffer and pulls events
 * until `need-input`; what it has not pulled stays in the buffer, so it must not feed another before.
 * Payloads are given whole, as views that are good until the next pull; only those of data frames come
 * in pieces. Of its own it holds at most one frame of MAX_HEAD_BYTES.
 */
export class FrameParser {
  type: FrameType = FRAMES.data;
  exchange = 0;
  payload: Buffer = EMPTY;
  data: Buffer = EMPTY;

  private input: Buffer = EMPTY;
  private at = 0;
  /** Of the present data frame, not yet pulled. */
  private dataRemaining = 0;
  /** The beginning of a frame whose rest is to come. */
  private partial: Buffer | undefined;
  private partialLength = 0;

  feed(input: Buffer): void {
    this.input = input;
    this.at = 0;
  }

  /** Bytes fed and not yet pulled. */
  get unread(): number {
    return this.input.length - this.at;
  }

  /** Bytes of the present data frame that have not even been fed. */
  get dataToReceive(): number {
    return Math.max(0, this.dataRemaining - this.unread);
  }

  /** So many bytes of the present data frame have been read past the parser; it must have pulled all input. */
  passData(bytes: number): void {
    this.dataRemaining -= bytes;
  }

  /** What was fed and not pulled, if it is no frames. */
  takeUnread(): Buffer {
    const unread = this.input.subarray(this.at);
    this.at = this.input.length;
    return unread;
  }

  /** Throws MalformedFrame. */
  next(): FrameEvent {
    for (;;) {
      if (this.dataRemaining > 0) return this.takeData();
      const isWhole = this.partial === undefined ? this.takeFrame() : this.takeRest(this.partial);
      if (!isWhole) return 'need-input';
      if (this.type !== FRAMES.data) return 'frame';
    }
  }

  private takeData(): FrameEvent {
    const length = Math.min(this.unread, this.dataRemaining);
    if (length === 0) return 'need-input';
    this.data = this.input.subarray(this.at, this.at + length);
    this.at += length;
    this.dataRemaining -= length;
    return 'data';
  }

  /** A frame that lies in the input whole; of one that is cut, what is there is kept. A data frame is only begun. */
  private takeFrame(): boolean {
    if (this.unread < FRAME_HEADER_BYTES) return this.keepPartial();
    const start = this.at + FRAME_HEADER_BYTES;
    const length = this.readHeader(this.input, this.at);
    if (this.type === FRAMES.data) {
      this.dataRemaining = length;
      this.at = start;
      return true;
    }
    if (start + length > this.input.length) return this.keepPartial();
    this.payload = this.input.subarray(start, start + length);
    this.at = start + length;
    return true;
  }

  private keepPartial(): boolean {
    if (this.unread === 0) return false;
    this.partial = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
    this.partialLength = 0;
    return this.takeRest(this.partial);
  }

  private takeRest(partial: Buffer): boolean {
    if (!this.fill(partial)) return false;
    if (partial.length > FRAME_HEADER_BYTES) return this.endPartial(partial);
    const length = this.readHeader(partial, 0);
    if (this.type === FRAMES.data) this.dataRemaining = length;
    if (this.type === FRAMES.data || length === 0) return this.endPartial(partial);
    this.partial = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
    partial.copy(this.partial);
    return this.takeRest(this.partial);
  }

  private endPartial(whole: Buffer): boolean {
    this.payload = whole.subarray(FRAME_HEADER_BYTES);
    this.partial = undefined;
    return true;
  }

  private fill(partial: Buffer): boolean {
    const missing = Math.min(partial.length - this.partialLength, this.unread);
    this.input.copy(partial, this.partialLength, this.at, this.at + missing);
    this.at += missing;
    this.partialLength += missing;
    return this.partialLength === partial.length;
  }

  /** Returns the length of the payload. */
  private readHeader(from: Buffer, at: number): number {
    const length = from.readUInt32BE(at);
    const type = from.readUInt8(at + 4);
    if (!isFrameType(type) || from.readUInt8(at + 5) !== 0) throw new MalformedFrame(`there is no frame type ${type}`);
    const limit = type === FRAMES.data ? MAX_DATA_BYTES : MAX_HEAD_BYTES;
    if (length > limit) throw new MalformedFrame(`a frame of type ${type} announces ${length} bytes`);
    if (length === 0 && type === FRAMES.data) throw new MalformedFrame('a data frame is empty');
    this.type = type;
    this.exchange = from.readUInt16BE(at + 6);
    return length;
  }
}
