import { createHmac, timingSafeEqual } from 'node:crypto';
import { FRAMES, MalformedFrame } from './frame-types.js';
import { frameWriter } from './frame-writer.js';
import { PayloadReader } from './payload-reader.js';

export const NONCE_BYTES = 32;
const PROOF_BYTES = 32;
/** With it, the sender proves that it has the key, and wants the same. */
const AUTHENTICATED = 1;

/** The server's first word. */
export interface ServerHello {
  /** Undefined: this server has no key, and asks for no proof. */
  nonce: Buffer | undefined;
  serverId: string;
  /** The most that the body of a `put` may have here. */
  maxWholeBytes: number;
}

/** The client's answer to it. */
export interface ClientHello {
  /** Undefined: this client has no key. */
  proof: { nonce: Buffer; mac: Buffer } | undefined;
}

/** All that a proof is bound to: nobody can use it in another role, on another connection, or for another server. */
export interface Transcript {
  version: number;
  serverId: string;
  serverNonce: Buffer;
  clientNonce: Buffer;
}

export function encodeServerHello({ nonce, serverId, maxWholeBytes }: ServerHello): Buffer {
  const frame = frameWriter.begin(FRAMES.hello, 0).u8(nonce === undefined ? 0 : AUTHENTICATED);
  if (nonce !== undefined) frame.raw(nonce);
  return frame.u32(maxWholeBytes).text(serverId).end();
}

export function decodeServerHello(payload: Buffer): ServerHello {
  const reader = new PayloadReader(payload);
  const nonce = readAuthenticated(reader) ? Buffer.from(reader.raw(NONCE_BYTES)) : undefined;
  const [maxWholeBytes, serverId] = [reader.u32(), reader.text()];
  reader.end();
  return { nonce, serverId, maxWholeBytes };
}

export function encodeClientHello({ proof }: ClientHello): Buffer {
  const frame = frameWriter.begin(FRAMES.hello, 0).u8(proof === undefined ? 0 : AUTHENTICATED);
  if (proof !== undefined) frame.raw(proof.nonce).raw(proof.mac);
  return frame.end();
}

export function decodeClientHello(payload: Buffer): ClientHello {
  const reader = new PayloadReader(payload);
  const proof = readAuthenticated(reader)
    ? { nonce: Buffer.from(reader.raw(NONCE_BYTES)), mac: Buffer.from(reader.raw(PROOF_BYTES)) }
    : undefined;
  reader.end();
  return { proof };
}

/** The server's proof, if it was asked for one. */
export function encodeWelcome(mac: Buffer | undefined): Buffer {
  const frame = frameWriter.begin(FRAMES.welcome, 0).u8(mac === undefined ? 0 : AUTHENTICATED);
  if (mac !== undefined) frame.raw(mac);
  return frame.end();
}

export function decodeWelcome(payload: Buffer): Buffer | undefined {
  const reader = new PayloadReader(payload);
  const mac = readAuthenticated(reader) ? Buffer.from(reader.raw(PROOF_BYTES)) : undefined;
  reader.end();
  return mac;
}

function readAuthenticated(reader: PayloadReader): boolean {
  const flags = reader.u8();
  if (flags > AUTHENTICATED) throw new MalformedFrame(`the handshake has the flags ${flags}`);
  return flags === AUTHENTICATED;
}

/** HMAC-SHA256 of everything that both sides know of this connection, and of who speaks. */
export function proofOf(role: 'client' | 'server', key: Buffer, transcript: Transcript): Buffer {
  const { version, serverId, serverNonce, clientNonce } = transcript;
  return createHmac('sha256', key)
    .update(`granary-frames/${version} ${role}\0`)
    .update(serverNonce)
    .update(clientNonce)
    .update(serverId)
    .digest();
}

/** In constant time. */
export function isProof(mac: Buffer, expected: Buffer): boolean {
  return mac.length === expected.length && timingSafeEqual(mac, expected);
}
