import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const ISSUE_BYTES = 6;
const RANDOM_BYTES = 10;
const TOKEN_BYTES = ISSUE_BYTES + RANDOM_BYTES;
const MAC_BYTES = 16;

/**
 * The challenges that one process hands out. It keeps none of them: each carries the time of its issue,
 * on the monotonic clock, under a key that lives as long as the process. So handing them out to anybody
 * costs no memory, and one of an earlier process, or of another server, is no challenge here.
 */
export class Challenges {
  readonly #key = randomBytes(32);

  constructor(private readonly nowMs: () => number) {}

  issue(): string {
    const token = Buffer.alloc(TOKEN_BYTES);
    token.writeUIntBE(Math.floor(this.nowMs()), 0, ISSUE_BYTES);
    randomBytes(RANDOM_BYTES).copy(token, ISSUE_BYTES);
    return Buffer.concat([token, this.#mac(token)]).toString('base64url');
  }

  /** When it was issued; undefined if it was not, here. */
  issuedAtMs(challenge: string): number | undefined {
    const bytes = Buffer.from(challenge, 'base64url');
    if (bytes.length !== TOKEN_BYTES + MAC_BYTES) return undefined;
    const token = bytes.subarray(0, TOKEN_BYTES);
    return timingSafeEqual(bytes.subarray(TOKEN_BYTES), this.#mac(token))
      ? token.readUIntBE(0, ISSUE_BYTES)
      : undefined;
  }

  #mac(token: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(token).digest().subarray(0, MAC_BYTES);
  }
}
