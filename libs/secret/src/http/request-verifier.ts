import { createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import { Challenges } from './challenges.js';
import { ReplayWindow } from './replay-window.js';
import { GREETING, formatChallenge, macOf, parseAuthorization, type RequestContent } from './signed-request.js';

export interface RequestVerifierOptions {
  /** 32 bytes, which every server of the cluster has. */
  key: Buffer;
  /** `host:port` by which the others know this server: what is signed for another is refused. */
  address: string;
  challengeLifetimeMs?: number;
  maxSessions?: number;
  monotonicNowMs?: () => number;
}

/**
 * `greeting`: it asks for a challenge. `stale`: signed with the key, but with a challenge that is too old, or of another
 * process. The others are nobody's mistake: `unsigned`, `malformed`, `wrong-signature`, `other-address` (signed for
 * another server) and `replayed`.
 */
export type RefusalReason =
  'greeting' | 'stale' | 'unsigned' | 'malformed' | 'wrong-signature' | 'other-address' | 'replayed';

export type Verification =
  /** `proof` and `nextChallenge` go with the answer. */
  | { ok: true; proof: string; nextChallenge: string | undefined }
  /** `challenge`: the value of WWW-Authenticate. */
  | { ok: false; reason: RefusalReason; challenge: string };

/** What one client has used of one challenge. */
interface Session {
  issuedAtMs: number;
  window: ReplayWindow;
}

const CHALLENGE_LIFETIME_MS = 10 * 60 * 1000;
const MAX_SESSIONS = 1024;

/**
 * Tells requests of servers that have the key from all others, each once. Wall clocks play no part.
 * Only a request with a valid signature leaves anything behind, and of that there is a bound: when it
 * is reached the oldest is forgotten, and every challenge of its time with it.
 */
export class RequestVerifier {
  readonly #key: KeyObject;
  readonly #address: string;
  readonly #lifetimeMs: number;
  readonly #maxSessions: number;
  readonly #nowMs: () => number;
  readonly #challenges: Challenges;
  readonly #sessions = new Map<string, Session>();
  /** A challenge issued up to here, and without a session, may have been used by one that was forgotten. */
  #forgottenUpToMs = -1;

  constructor(options: RequestVerifierOptions) {
    this.#key = createSecretKey(options.key);
    this.#address = options.address;
    this.#lifetimeMs = options.challengeLifetimeMs ?? CHALLENGE_LIFETIME_MS;
    this.#maxSessions = options.maxSessions ?? MAX_SESSIONS;
    this.#nowMs = options.monotonicNowMs ?? (() => performance.now());
    this.#challenges = new Challenges(this.#nowMs);
  }

  verify(request: RequestContent): Verification {
    const authorization = request.header('authorization');
    if (authorization === undefined) return this.#refuse('unsigned');
    if (authorization === GREETING) return this.#refuse('greeting');
    const credentials = parseAuthorization(authorization);
    if (credentials === undefined) return this.#refuse('malformed');
    const { signature, proof } = macOf(this.#key, request, credentials);
    if (!timingSafeEqual(signature, credentials.signature)) return this.#refuse('wrong-signature');
    if (request.host !== this.#address) return this.#refuse('other-address');
    const session = this.#sessionOf(credentials);
    if (session === undefined) return this.#refuse('stale');
    const use = session.window.accept(credentials.count);
    if (use !== 'new') return this.#refuse(use === 'seen' ? 'replayed' : 'stale');
    const isAgeing = this.#nowMs() - session.issuedAtMs > this.#lifetimeMs / 2;
    const nextChallenge = isAgeing ? this.#challenges.issue() : undefined;
    return { ok: true, proof: proof.toString('base64url'), nextChallenge };
  }

  /** How many clients are remembered. */
  get sessions(): number {
    return this.#sessions.size;
  }

  #refuse(reason: RefusalReason): Verification {
    return { ok: false, reason, challenge: formatChallenge(this.#challenges.issue()) };
  }

  /** Undefined when the challenge is not, or no longer, one of this process. */
  #sessionOf({ challenge, nonce }: { challenge: string; nonce: string }): Session | undefined {
    const key = `${challenge} ${nonce}`;
    const session = this.#sessions.get(key) ?? this.#newSession(challenge);
    if (session === undefined) return undefined;
    if (this.#nowMs() - session.issuedAtMs > this.#lifetimeMs) {
      this.#sessions.delete(key);
      return undefined;
    }
    if (!this.#sessions.has(key)) this.#keep(key, session);
    return session;
  }

  #newSession(challenge: string): Session | undefined {
    const issuedAtMs = this.#challenges.issuedAtMs(challenge);
    if (issuedAtMs === undefined || issuedAtMs <= this.#forgottenUpToMs) return undefined;
    return { issuedAtMs, window: new ReplayWindow() };
  }

  #keep(key: string, session: Session): void {
    this.#sessions.set(key, session);
    if (this.#sessions.size <= this.#maxSessions) return;
    const [oldest] = this.#sessions;
    if (oldest === undefined) return;
    this.#sessions.delete(oldest[0]);
    this.#forgottenUpToMs = Math.max(this.#forgottenUpToMs, oldest[1].issuedAtMs);
  }
}
