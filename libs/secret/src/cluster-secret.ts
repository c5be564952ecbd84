import { hkdfSync, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';

/** What a key is for. Each has a key of its own, so that what is signed for one purpose means nothing to another. */
export type SecretPurpose = 'frames' | 'http' | 'messages';

export const MIN_SECRET_BYTES = 32;
/** 32 random bytes have fewer different ones once in 10^20 times. */
const MIN_DIFFERENT_BYTES = 10;
const KEY_BYTES = 32;
const REDACTED = '[cluster secret]';

/**
 * What all servers of a cluster know, and nobody else. It never leaves the process and is never shown:
 * printed, inspected or serialised it is `[cluster secret]`.
 */
export class ClusterSecret {
  readonly #bytes: Buffer;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /**
   * Hex, base64 (either alphabet, padded or not) or any other text, of at least 32 bytes. The same bytes
   * are the same secret however they are written. Undefined when it is too short, or repeats so few
   * different bytes that it cannot be random.
   */
  static parse(text: string): ClusterSecret | undefined {
    const bytes = bytesOf(text.trim());
    const isStrong = bytes.length >= MIN_SECRET_BYTES && new Set(bytes).size >= MIN_DIFFERENT_BYTES;
    return isStrong ? new ClusterSecret(bytes) : undefined;
  }

  /** For a cluster that lives in one process. */
  static random(): ClusterSecret {
    return new ClusterSecret(randomBytes(MIN_SECRET_BYTES));
  }

  /** 32 bytes, by HKDF-SHA256 (RFC 5869). */
  key(purpose: SecretPurpose): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#bytes, '', `granary ${purpose} 1`, KEY_BYTES));
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}

function bytesOf(text: string): Buffer {
  if (/^[0-9A-Fa-f]+$/.test(text)) return Buffer.from(text.length % 2 === 0 ? text : '', 'hex');
  if (/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) {
    const decoded = Buffer.from(text, 'base64');
    if (decoded.length >= MIN_SECRET_BYTES) return decoded;
  }
  return Buffer.from(text);
}
