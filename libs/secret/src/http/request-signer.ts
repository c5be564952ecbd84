import { createSecretKey, randomBytes, timingSafeEqual, type KeyObject } from 'node:crypto';
import {
  GREETING,
  NEXT_CHALLENGE_HEADER,
  PROOF_HEADER,
  formatAuthorization,
  macOf,
  parseChallenge,
  type Credentials,
} from './signed-request.js';

/** A request about to be sent. */
export interface SignableRequest {
  /** `host:port`, which is its Host header too. */
  address: string;
  method: string;
  /** Path and query as they are on the wire. */
  target: string;
  fields: readonly (readonly [name: string, value: string])[];
}

/**
 * `proven`: who answered has the key, and had this very request. `challenged`: it wants the request
 * signed anew. `unproven`: nothing of the answer is to be believed.
 */
export type AnswerVerdict = 'proven' | 'challenged' | 'unproven';

export interface RequestSignature {
  /** The value of Authorization. */
  readonly authorization: string;
  /** To be asked of each answer, before anything of it is believed. */
  judge(status: number, header: (name: string) => string | undefined): AnswerVerdict;
}

/** The challenge of one server that is in use, and what has been used of it. */
interface Grant {
  challenge: string;
  nonce: string;
  count: number;
}

const NONCE_BYTES = 9;
const MAX_SERVERS = 4096;

/** Signs the requests of this process, with the challenges that the servers gave it. */
export class RequestSigner {
  readonly #grants = new Map<string, Grant>();

  readonly #key: KeyObject;

  /** 32 bytes, which every server of the cluster has. */
  constructor(key: Buffer) {
    this.#key = createSecretKey(key);
  }

  /** Whether there is a challenge of this server. If not, what `sign` returns is a greeting, which only asks for one. */
  knows(address: string): boolean {
    return this.#grants.has(address);
  }

  /** For one sending of one request: another needs another signature. */
  sign(request: SignableRequest): RequestSignature {
    const grant = this.#grants.get(request.address);
    if (grant === undefined) return this.#greeting(request.address);
    const credentials: Credentials = { ...grant, count: ++grant.count };
    const { signature, proof } = macOf(this.#key, contentOf(request), credentials);
    return {
      authorization: formatAuthorization(credentials, signature),
      judge: (status, header) => {
        if (isEqual(proof, header(PROOF_HEADER))) {
          this.#adopt(request.address, header(NEXT_CHALLENGE_HEADER), grant);
          return 'proven';
        }
        return this.#judgeChallenge(request.address, grant, status, header);
      },
    };
  }

  #greeting(address: string): RequestSignature {
    return {
      authorization: GREETING,
      judge: (status, header) => this.#judgeChallenge(address, undefined, status, header),
    };
  }

  #judgeChallenge(
    address: string,
    used: Grant | undefined,
    status: number,
    header: (name: string) => string | undefined,
  ): AnswerVerdict {
    const challenge = parseChallenge(header('www-authenticate'));
    if (status !== 401 || challenge === undefined) return 'unproven';
    this.#adopt(address, challenge, used);
    return 'challenged';
  }

  /** Unless another answer has brought a newer one meanwhile: many are refused at once when a server starts again. */
  #adopt(address: string, challenge: string | undefined, used: Grant | undefined): void {
    if (challenge === undefined || this.#grants.get(address) !== used) return;
    this.#grants.delete(address);
    this.#grants.set(address, { challenge, nonce: randomBytes(NONCE_BYTES).toString('base64url'), count: 0 });
    const [oldest] = this.#grants.keys();
    if (this.#grants.size > MAX_SERVERS && oldest !== undefined) this.#grants.delete(oldest);
  }
}

function contentOf({ address, method, target, fields }: SignableRequest) {
  const values = new Map(fields.map(([name, value]) => [name.toLowerCase(), value.trim()]));
  return { method, target, host: address, header: (name: string) => values.get(name) };
}

function isEqual(expected: Buffer, told: string | undefined): boolean {
  const claimed = Buffer.from(told ?? '', 'base64url');
  return claimed.length === expected.length && timingSafeEqual(claimed, expected);
}
