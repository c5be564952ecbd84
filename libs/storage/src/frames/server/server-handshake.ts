import { randomBytes } from 'node:crypto';
import { FRAMES_UPGRADE, FRAMES_VERSION } from '#contracts';
import {
  NONCE_BYTES,
  decodeClientHello,
  encodeServerHello,
  encodeWelcome,
  isProof,
  proofOf,
} from '../codec/handshake-frames.js';
import type { SessionOptions } from './endpoint-options.js';

const SWITCHING = Buffer.from(
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${FRAMES_UPGRADE}\r\n\r\n`,
);

/** The server's side of the beginning of a connection (docs/protocol/frames.md, Handshake). */
export class ServerHandshake {
  private readonly nonce: Buffer | undefined;

  constructor(private readonly options: Pick<SessionOptions, 'authKey' | 'serverId' | 'maxWholeBytes'>) {
    this.nonce = options.authKey === undefined ? undefined : randomBytes(NONCE_BYTES);
  }

  /** The answer to the request to upgrade, and the server's hello. */
  get opening(): Buffer {
    const { serverId, maxWholeBytes } = this.options;
    return Buffer.concat([SWITCHING, encodeServerHello({ nonce: this.nonce, serverId, maxWholeBytes })]);
  }

  /** The server's answer to the client's hello, or why the client is refused. Throws MalformedFrame. */
  answer(payload: Buffer): { welcome: Buffer } | { refused: string } {
    const { proof } = decodeClientHello(payload);
    const { authKey, serverId } = this.options;
    if (authKey === undefined || this.nonce === undefined) {
      return proof === undefined
        ? { welcome: encodeWelcome(undefined) }
        : { refused: 'the client demands a secret, and there is none here' };
    }
    if (proof === undefined) return { refused: 'the client has no secret' };
    const transcript = {
      version: FRAMES_VERSION,
      serverId,
      serverNonce: this.nonce,
      clientNonce: proof.nonce,
    };
    if (!isProof(proof.mac, proofOf('client', authKey, transcript))) {
      return { refused: 'the client does not have the secret of this cluster' };
    }
    return { welcome: encodeWelcome(proofOf('server', authKey, transcript)) };
  }
}
