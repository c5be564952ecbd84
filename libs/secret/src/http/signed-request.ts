import { createHmac, type KeyObject } from 'node:crypto';

/**
 * The signature of a request between servers (docs/security.md): challenge and response in the manner of
 * HTTP Digest (RFC 7616), without clocks. The server hands out challenges; a request names one, with a
 * nonce of the client and a number that it uses once, and carries half of an HMAC over all of it. The
 * answer carries the other half, which only who has the key can know.
 */
export const SCHEME = 'Granary';
const VERSION = 'granary-http-1';

/** Request headers that change what a request does: a signature covers those that are there, and that no other is. */
export const COVERED_HEADERS = [
  'cache-control',
  'content-digest',
  'content-encoding',
  'content-length',
  'content-md5',
  'content-type',
  'granary-move',
  'granary-remember',
  'granary-stamp',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
  'transfer-encoding',
] as const;

/** What a signature is over. */
export interface RequestContent {
  method: string;
  /** As in the Host header: the address that the request is meant for. */
  host: string;
  /** Path and query as they are on the wire. */
  target: string;
  /** Of a header by its lower-case name, without white space around it. */
  header: (name: string) => string | undefined;
}

/** What the client says beside the signature, all of which is signed too. */
export interface Credentials {
  challenge: string;
  nonce: string;
  count: number;
}

export interface RequestMac {
  /** Shows that the client has the key. */
  signature: Buffer;
  /** Shows, in the answer, that the server has it. */
  proof: Buffer;
}

export function macOf(key: KeyObject, request: RequestContent, { challenge, nonce, count }: Credentials): RequestMac {
  let text = `${VERSION}\n${request.method}\n${request.host}\n${request.target}\n${challenge}\n${nonce}\n${count}\n`;
  for (const name of COVERED_HEADERS) {
    const value = request.header(name);
    if (value !== undefined) text += `${name}:${value}\n`;
  }
  const mac = createHmac('sha512', key).update(text).digest();
  return { signature: mac.subarray(0, 32), proof: mac.subarray(32) };
}

/** The value of Authorization. */
export function formatAuthorization({ challenge, nonce, count }: Credentials, signature: Buffer): string {
  return `${SCHEME} challenge="${challenge}", nonce="${nonce}", count=${count}, signature="${signature.toString('base64url')}"`;
}

/** Asks for a challenge, and for nothing else. */
export const GREETING = SCHEME;

const AUTHORIZATION =
  /^Granary challenge="([\w-]{43})", nonce="([\w-]{12})", count=([1-9]\d{0,14}), signature="([\w-]{43})"$/;

export function parseAuthorization(value: string): (Credentials & { signature: Buffer }) | undefined {
  const [, challenge, nonce, count, signature] = AUTHORIZATION.exec(value) ?? [];
  if (challenge === undefined || nonce === undefined || signature === undefined) return undefined;
  return { challenge, nonce, count: Number(count), signature: Buffer.from(signature, 'base64url') };
}

/** The value of WWW-Authenticate (RFC 9110 §11.6.1). */
export function formatChallenge(challenge: string): string {
  return `${SCHEME} challenge="${challenge}"`;
}

export function parseChallenge(value: string | undefined): string | undefined {
  return /^Granary challenge="([\w-]{43})"$/.exec(value ?? '')?.[1];
}

/** Answer headers, beside WWW-Authenticate. */
export const PROOF_HEADER = 'granary-proof';
/** A challenge to use from now on, when the present one grows old. */
export const NEXT_CHALLENGE_HEADER = 'granary-next-challenge';
