import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { RequestSigner, type SignableRequest } from './request-signer.js';
import { RequestVerifier, type RequestVerifierOptions, type Verification } from './request-verifier.js';
import { COVERED_HEADERS, NEXT_CHALLENGE_HEADER, PROOF_HEADER, type RequestContent } from './signed-request.js';

const KEY = randomBytes(32);
const ADDRESS = '127.0.1.1:12345';
const MINUTE_MS = 60_000;

const PUT: SignableRequest = {
  address: ADDRESS,
  method: 'PUT',
  target: '/objects/a%2Fb?x=1',
  fields: [
    ['Content-Length', '5'],
    ['Granary-Stamp', '17'],
    ['X-Else', 'not covered'],
  ],
};

/** A server, with the challenge that its last answer had. */
class Server {
  nowMs = 1000;
  readonly verifier: RequestVerifier;

  constructor(options: Partial<RequestVerifierOptions> = {}) {
    this.verifier = new RequestVerifier({ key: KEY, address: ADDRESS, monotonicNowMs: () => this.nowMs, ...options });
  }

  /** What it makes of the request, and what the client makes of its answer. */
  exchange(signer: RequestSigner, request: SignableRequest = PUT) {
    const signature = signer.sign(request);
    const received = onTheWire(request, signature.authorization);
    const verification = this.verifier.verify(received);
    return { received, verification, verdict: signature.judge(...answerOf(verification)) };
  }
}

function onTheWire({ method, target, address, fields }: SignableRequest, authorization: string): RequestContent {
  const headers = new Map(fields.map(([name, value]) => [name.toLowerCase(), value]));
  headers.set('authorization', authorization);
  return { method, target, host: address, header: name => headers.get(name) };
}

function answerOf(verification: Verification): [number, (name: string) => string | undefined] {
  if (!verification.ok) return [401, name => (name === 'www-authenticate' ? verification.challenge : undefined)];
  const headers: Record<string, string | undefined> = {
    [PROOF_HEADER]: verification.proof,
    [NEXT_CHALLENGE_HEADER]: verification.nextChallenge,
  };
  return [200, name => headers[name]];
}

/** A signer that has been given a challenge. */
function introduced(server: Server, key = KEY): RequestSigner {
  const signer = new RequestSigner(key);
  expect(server.exchange(signer)).toMatchObject({ verification: { reason: 'greeting' }, verdict: 'challenged' });
  return signer;
}

function changed(request: RequestContent, changes: Partial<RequestContent>, headers: Record<string, string> = {}) {
  return { ...request, header: (name: string) => headers[name] ?? request.header(name), ...changes };
}

describe('a request between servers with one secret', () => {
  it('costs one more round trip at the first contact, and then none', () => {
    const server = new Server();
    const signer = introduced(server);
    for (let index = 0; index < 100; index += 1) {
      expect(server.exchange(signer)).toMatchObject({ verification: { ok: true }, verdict: 'proven' });
    }
    expect(server.verifier.sessions).toBe(1);
  });

  it('may overtake others', () => {
    const server = new Server();
    const signer = introduced(server);
    const requests = Array.from({ length: 200 }, () => onTheWire(PUT, signer.sign(PUT).authorization));
    const order = requests.toSorted(() => Math.random() - 0.5);
    expect(order.map(request => server.verifier.verify(request).ok)).not.toContain(false);
    expect(order.map(request => refusal(server, request))).toEqual(order.map(() => 'replayed'));
  });

  it('is refused without a signature, with garbage, and with another key', () => {
    const server = new Server();
    const signer = introduced(server);
    const genuine = onTheWire(PUT, signer.sign(PUT).authorization);
    const authorization = genuine.header('authorization') ?? '';
    expect(refusal(server, { ...genuine, header: () => undefined })).toBe('unsigned');
    const garbage = ['', 'Basic eDp5', 'Granary x', authorization.slice(0, -2), `${authorization},`, 'G'.repeat(9000)];
    for (const value of garbage) {
      expect(refusal(server, changed(genuine, {}, { authorization: value }))).toBe('malformed');
    }
    const other = introduced(server, randomBytes(32));
    expect(server.exchange(other)).toMatchObject({
      verification: { reason: 'wrong-signature' },
      verdict: 'challenged',
    });
    // All that left nothing behind, and harmed nobody.
    expect(server.verifier.sessions).toBe(0);
    expect(server.verifier.verify(genuine).ok).toBe(true);
  });

  it('is refused if anything of it was changed, added or taken away', () => {
    const server = new Server();
    const signer = introduced(server);
    const genuine = onTheWire(PUT, signer.sign(PUT).authorization);
    const authorization = genuine.header('authorization') ?? '';
    const forgeries = [
      changed(genuine, { method: 'DELETE' }),
      changed(genuine, { target: '/objects/a%2Fb' }),
      changed(genuine, { target: '/objects/a/b?x=1' }),
      changed(genuine, { host: '127.0.1.2:12345' }),
      changed(genuine, {}, { authorization: authorization.replace(/count=\d+/, 'count=999') }),
      changed(genuine, { header: name => (name === 'granary-stamp' ? undefined : genuine.header(name)) }),
      ...COVERED_HEADERS.map(name => changed(genuine, {}, { [name]: '18' })),
    ];
    for (const forgery of forgeries) expect(refusal(server, forgery)).toBe('wrong-signature');
    expect(server.verifier.verify(changed(genuine, {}, { 'x-else': 'what it means is nothing' })).ok).toBe(true);
  });

  it('is taken once, and by one server', () => {
    const server = new Server();
    const signer = introduced(server);
    const { received } = server.exchange(signer);
    expect(refusal(server, received)).toBe('replayed');
    // Another server, to which it is forwarded; and one that took over the address.
    expect(refusal(new Server({ address: '127.0.1.2:12345' }), received)).toBe('other-address');
    expect(refusal(new Server(), received)).toBe('stale');
  });

  it('is signed anew when its server has started again', () => {
    const signer = introduced(new Server());
    const restarted = new Server();
    expect(restarted.exchange(signer)).toMatchObject({ verification: { reason: 'stale' }, verdict: 'challenged' });
    expect(restarted.exchange(signer)).toMatchObject({ verdict: 'proven' });
  });

  it('moves on to a new challenge without a refusal, while there are requests', () => {
    const server = new Server({ challengeLifetimeMs: 10 * MINUTE_MS });
    const signer = introduced(server);
    const first = server.exchange(signer).received;
    for (let minute = 0; minute < 60; minute += 1) {
      server.nowMs += MINUTE_MS;
      expect(server.exchange(signer)).toMatchObject({ verdict: 'proven' });
    }
    expect(refusal(server, first)).toBe('stale');
    server.nowMs += 11 * MINUTE_MS;
    expect(server.exchange(signer)).toMatchObject({ verification: { reason: 'stale' }, verdict: 'challenged' });
    expect(server.exchange(signer)).toMatchObject({ verdict: 'proven' });
  });

  it('knows no wall clock', () => {
    const wallNow = Date.now;
    try {
      const server = new Server();
      const signer = introduced(server);
      for (const hours of [1, -1, 24 * 365]) {
        Date.now = () => wallNow() + hours * 3_600_000;
        expect(server.exchange(signer)).toMatchObject({ verdict: 'proven' });
      }
    } finally {
      Date.now = wallNow;
    }
  });

  it('is answered by nobody else', () => {
    const server = new Server();
    const signer = introduced(server);
    const former = server.exchange(signer).verification;
    const formerProof = former.ok ? former.proof : '';
    const signature = signer.sign(PUT);
    // The client's own signature, sent back; the proof of another request; nothing; garbage.
    const reflected = /signature="([^"]+)"/.exec(signature.authorization)?.[1] ?? '';
    for (const proof of [reflected, formerProof, undefined, '', 'A'.repeat(43), formerProof.slice(0, -1)]) {
      for (const status of [200, 204, 404, 503]) {
        expect(signature.judge(status, name => (name === PROOF_HEADER ? proof : undefined))).toBe('unproven');
      }
    }
  });

  it('leaves a bounded memory, and what is forgotten cannot be used again', () => {
    const server = new Server({ maxSessions: 50 });
    const firstSigner = introduced(server);
    const first = server.exchange(firstSigner).received;
    for (let index = 0; index < 500; index += 1) {
      server.nowMs += 1;
      // Anybody may ask for challenges.
      for (let stranger = 0; stranger < 10; stranger += 1) server.exchange(new RequestSigner(randomBytes(32)));
      expect(server.exchange(introduced(server)).verdict).toBe('proven');
    }
    expect(server.verifier.sessions).toBe(50);
    expect(refusal(server, first)).toBe('stale');
    expect(server.exchange(firstSigner).verdict).toBe('challenged');
    expect(server.exchange(firstSigner).verdict).toBe('proven');
  });

  it('does not lose its place when many are refused at once', () => {
    const server = new Server();
    const signer = introduced(new Server());
    const many = Array.from({ length: 100 }, () => signer.sign(PUT));
    const refused = many.map(({ authorization, judge }) =>
      judge(...answerOf(server.verifier.verify(onTheWire(PUT, authorization)))),
    );
    expect(new Set(refused)).toEqual(new Set(['challenged']));
    for (let index = 0; index < 100; index += 1) expect(server.exchange(signer).verdict).toBe('proven');
    expect(server.verifier.sessions).toBe(1);
  });
});

function refusal(server: Server, request: RequestContent): string {
  const verification = server.verifier.verify(request);
  return verification.ok ? 'taken' : verification.reason;
}
