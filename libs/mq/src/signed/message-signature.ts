import { createHmac, timingSafeEqual } from 'node:crypto';
import { MESSAGE_HEADERS, type MessageHeaders } from '#contracts';

/** What a signature is over. */
export interface SignedContent {
  /** Where it was published; for an answer `answer`, and the nonce of the question that it answers. */
  context: readonly string[];
  body: Buffer;
  headers: MessageHeaders;
}

/** HMAC-SHA256 over the context, all headers of ours and the body; the headers' order does not matter. */
export function signMessage(key: Buffer, content: SignedContent): string {
  return mac(key, content).toString('base64url');
}

/** Never throws, whatever the headers hold. */
export function isSignedBy(key: Buffer, content: SignedContent): boolean {
  const signature = content.headers[MESSAGE_HEADERS.signature];
  if (typeof signature !== 'string') return false;
  const [claimed, expected] = [Buffer.from(signature, 'base64url'), mac(key, content)];
  return claimed.length === expected.length && timingSafeEqual(claimed, expected);
}

function mac(key: Buffer, { context, body, headers }: SignedContent): Buffer {
  const signed = Object.entries(headers)
    .filter(([name]) => name.startsWith(OURS) && name !== MESSAGE_HEADERS.signature)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHmac('sha256', key)
    .update(`${JSON.stringify([context, signed])}\n`)
    .update(body)
    .digest();
}

/** What the broker, or a plugin of it, adds to a message is not ours to sign. */
const OURS = 'granary-';
