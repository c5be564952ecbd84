import { randomBytes } from 'node:crypto';
import { ERROR_CODES, FRAMES_UPGRADE, FRAMES_VERSION, ROUTES } from '#contracts';
import type { UnavailableReason } from '../../data-server-unavailable.js';
import { decodeFailure } from '../codec/answer-frames.js';
import { FRAMES, MalformedFrame, type FrameType } from '../codec/frame-types.js';
import {
  NONCE_BYTES,
  decodeServerHello,
  decodeWelcome,
  encodeClientHello,
  isProof,
  proofOf,
  type ServerHello,
} from '../codec/handshake-frames.js';

const MAX_RESPONSE_BYTES = 16 * 1024;
const HEAD_END = '\r\n\r\n';
const STATUS = /^HTTP\/1\.1 (\d{3}) /;
const UPGRADED = new RegExp(`\\r\\nUpgrade:[ \\t]*${FRAMES_UPGRADE}[ \\t]*\\r\\n`, 'i');
const MAX_DETAIL_LENGTH = 200;

/** The server answers, but does not take us, or is not who it should be. */
export class HandshakeRefused extends Error {
  override readonly name = 'HandshakeRefused';

  constructor(
    readonly reason: UnavailableReason,
    message: string,
    /** It is busy, starting or leaving, and says so; else whoever answers is not the server that is meant. */
    readonly isForNow = false,
  ) {
    super(message);
  }
}

export interface HandshakeOptions {
  authKey: Buffer | undefined;
  /** Who is expected there; undefined: whoever it is. */
  serverId: string | undefined;
}

/** The client's side of the beginning of a connection (docs/protocol/frames.md, Handshake). Throws HandshakeRefused and MalformedFrame. */
export class ClientHandshake {
  private response = '';
  private hello: ServerHello | undefined;
  private expectedProof: Buffer | undefined;

  constructor(
    private readonly address: string,
    private readonly options: HandshakeOptions,
  ) {}

  get request(): string {
    return `GET ${ROUTES.frames} HTTP/1.1\r\nHost: ${this.address}\r\nConnection: Upgrade\r\nUpgrade: ${FRAMES_UPGRADE}\r\n\r\n`;
  }

  /** Takes the response to the upgrade; gives what came behind it once it is whole. */
  takeResponse(bytes: Buffer): Buffer | undefined {
    const before = this.response.length;
    this.response += bytes.toString('latin1');
    const end = this.response.indexOf(HEAD_END);
    if (end === -1) {
      if (this.response.length > MAX_RESPONSE_BYTES) throw new MalformedFrame('the answer to the upgrade is too long');
      return undefined;
    }
    const head = this.response.slice(0, end + 2);
    const [, status] = STATUS.exec(head) ?? [];
    if (status === undefined) throw new MalformedFrame('the answer to the upgrade is not HTTP');
    if (status !== '101') throw refusedUpgrade(status, this.response.slice(end + HEAD_END.length));
    if (!UPGRADED.test(head)) throw new MalformedFrame('it switches to another protocol');
    return bytes.subarray(end + HEAD_END.length - before);
  }

  /** What to send next; undefined when the connection stands. */
  takeFrame(type: FrameType, payload: Buffer): Buffer | undefined {
    if (type === FRAMES.error) throw refused(payload);
    if (this.hello === undefined && type === FRAMES.hello) return this.answerHello(decodeServerHello(payload));
    if (this.hello !== undefined && type === FRAMES.welcome) return this.takeWelcome(decodeWelcome(payload));
    throw new MalformedFrame(`a frame of type ${type} is not in its turn`);
  }

  private answerHello(hello: ServerHello): Buffer {
    this.hello = hello;
    const { authKey, serverId } = this.options;
    if (serverId !== undefined && serverId !== hello.serverId) {
      throw new HandshakeRefused('answer', `is ${hello.serverId} where ${serverId} is expected`);
    }
    if (authKey === undefined) {
      if (hello.nonce === undefined) return encodeClientHello({ proof: undefined });
      throw new HandshakeRefused('unauthorized', 'demands the secret of its cluster, and there is none here');
    }
    if (hello.nonce === undefined) throw new HandshakeRefused('unauthorized', 'has no secret of the cluster');
    const clientNonce = randomBytes(NONCE_BYTES);
    const transcript = {
      version: FRAMES_VERSION,
      serverId: hello.serverId,
      serverNonce: hello.nonce,
      clientNonce,
    };
    this.expectedProof = proofOf('server', authKey, transcript);
    return encodeClientHello({ proof: { nonce: clientNonce, mac: proofOf('client', authKey, transcript) } });
  }

  private takeWelcome(mac: Buffer | undefined): undefined {
    if (this.expectedProof === undefined) return undefined;
    if (mac === undefined || !isProof(mac, this.expectedProof)) {
      throw new HandshakeRefused('unauthorized', 'does not have the secret of the cluster');
    }
    return undefined;
  }
}

function refused(payload: Buffer): HandshakeRefused {
  const { code, detail } = decodeFailure(payload);
  if (code === 'unauthorized') return new HandshakeRefused('unauthorized', `refuses: ${detail}`);
  return new HandshakeRefused('answer', `refuses: ${detail}`, code !== undefined && ERROR_CODES[code].status === 503);
}

function refusedUpgrade(status: string, body: string): HandshakeRefused {
  const detail = body === '' ? '' : ` (${body.slice(0, MAX_DETAIL_LENGTH)})`;
  return new HandshakeRefused(
    status === '401' ? 'unauthorized' : 'answer',
    `refuses to speak ${FRAMES_UPGRADE}, with status ${status}${detail}`,
    status === '503',
  );
}
