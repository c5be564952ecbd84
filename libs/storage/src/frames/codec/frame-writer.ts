import { GranaryError } from '#contracts';
import { FRAMES, FRAME_HEADER_BYTES, MAX_HEAD_BYTES, type FrameType } from './frame-types.js';

const MAX_U16 = 0xffff;

/**
 * Builds frames one after another: `begin`, the fields of the payload in their order, and `end` or
 * `endWith`, which give a buffer of its own. One for the whole process is enough.
 */
export class FrameWriter {
  private readonly bytes = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES + MAX_HEAD_BYTES);
  private at = FRAME_HEADER_BYTES;

  begin(type: FrameType, exchange: number): this {
    this.bytes[4] = type;
    this.bytes[5] = 0;
    this.bytes.writeUInt16BE(exchange, 6);
    this.at = FRAME_HEADER_BYTES;
    return this;
  }

  /** Payload bytes that still fit. */
  get room(): number {
    return this.bytes.length - this.at;
  }

  u8(value: number): this {
    this.at = this.bytes.writeUInt8(value, this.at);
    return this;
  }

  u16(value: number): this {
    this.at = this.bytes.writeUInt16BE(value, this.at);
    return this;
  }

  u32(value: number): this {
    this.at = this.bytes.writeUInt32BE(value, this.at);
    return this;
  }

  /** A safe integer, not negative. */
  u64(value: number): this {
    const high = Math.floor(value / 2 ** 32);
    this.at = this.bytes.writeUInt32BE(high, this.at);
    this.at = this.bytes.writeUInt32BE(value - high * 2 ** 32, this.at);
    return this;
  }

  raw(value: Buffer): this {
    if (value.length > this.room) throw tooLong();
    this.at += value.copy(this.bytes, this.at);
    return this;
  }

  /** So many bytes, given as hex digits. */
  hex(digits: string, bytes: number): this {
    if (this.bytes.write(digits, this.at, bytes, 'hex') !== bytes || digits.length !== 2 * bytes) {
      throw new Error(`${digits} are not the hex digits of ${bytes} bytes.`);
    }
    this.at += bytes;
    return this;
  }

  /** UTF-8 behind its length (u16). */
  text(value: string): this {
    const length = Buffer.byteLength(value);
    if (length > MAX_U16 || length + 2 > this.room) throw tooLong();
    this.at = this.bytes.writeUInt16BE(length, this.at);
    this.at += this.bytes.write(value, this.at, 'utf8');
    return this;
  }

  end(): Buffer {
    this.close();
    return Buffer.from(this.bytes.subarray(0, this.at));
  }

  /** With a data frame of the same exchange behind it, unless the body is empty. */
  endWith(body: Buffer): Buffer {
    if (body.length === 0) return this.end();
    this.close();
    const frames = Buffer.allocUnsafe(this.at + FRAME_HEADER_BYTES + body.length);
    this.bytes.copy(frames, 0, 0, this.at);
    writeDataHeader(frames, this.at, body.length, this.bytes.readUInt16BE(6));
    body.copy(frames, this.at + FRAME_HEADER_BYTES);
    return frames;
  }

  /** With the header of a data frame behind it, whose payload the caller sends. */
  endBefore(dataLength: number): Buffer {
    this.close();
    const frames = Buffer.allocUnsafe(this.at + FRAME_HEADER_BYTES);
    this.bytes.copy(frames, 0, 0, this.at);
    writeDataHeader(frames, this.at, dataLength, this.bytes.readUInt16BE(6));
    return frames;
  }

  private close(): void {
    this.bytes.writeUInt32BE(this.at - FRAME_HEADER_BYTES, 0);
  }
}

export const frameWriter = new FrameWriter();

/** The header of a data frame alone. */
export function dataHeader(length: number, exchange: number): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  writeDataHeader(header, 0, length, exchange);
  return header;
}

function writeDataHeader(into: Buffer, at: number, length: number, exchange: number): void {
  into.writeUInt32BE(length, at);
  into[at + 4] = FRAMES.data;
  into[at + 5] = 0;
  into.writeUInt16BE(exchange, at + 6);
}

function tooLong(): GranaryError {
  return new GranaryError('headers-too-large', `What goes with the object exceeds ${MAX_HEAD_BYTES} bytes.`);
}
