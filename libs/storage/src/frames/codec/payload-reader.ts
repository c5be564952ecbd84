import { isUtf8 } from 'node:buffer';
import { MalformedFrame } from './frame-types.js';

const REPLACEMENT = '\ufffd';

/** Reads the fields of a payload in their order. Throws MalformedFrame where one is missing or impossible. */
export class PayloadReader {
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  u8(): number {
    return this.bytes.readUInt8(this.take(1));
  }

  u16(): number {
    return this.bytes.readUInt16BE(this.take(2));
  }

  u32(): number {
    return this.bytes.readUInt32BE(this.take(4));
  }

  /** A safe integer. */
  u64(): number {
    const at = this.take(8);
    const value = this.bytes.readUInt32BE(at) * 2 ** 32 + this.bytes.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) throw new MalformedFrame('a number exceeds 2^53 - 1');
    return value;
  }

  /** A view, good as long as the payload. */
  raw(length: number): Buffer {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  hex(bytes: number): string {
    const at = this.take(bytes);
    return this.bytes.toString('hex', at, at + bytes);
  }

  text(): string {
    const length = this.u16();
    const at = this.take(length);
    const text = this.bytes.toString('utf8', at, at + length);
    // What is not UTF-8 is decoded to the replacement character, which is a character like others, too.
    if (text.includes(REPLACEMENT) && !isUtf8(this.bytes.subarray(at, at + length))) {
      throw new MalformedFrame('a text is not UTF-8');
    }
    return text;
  }

  /** Bytes not yet read. */
  get left(): number {
    return this.bytes.length - this.at;
  }

  /** Nothing may be left. */
  end(): void {
    if (this.at !== this.bytes.length) throw new MalformedFrame('a frame is longer than its fields');
  }

  private take(length: number): number {
    const at = this.at;
    this.at += length;
    if (this.at > this.bytes.length) throw new MalformedFrame('a frame is shorter than its fields');
    return at;
  }
}
