import type { IncomingMessage, ServerResponse } from 'node:http';
import { GranaryError, ROUTES } from '#contracts';
import { requestIdOf, sendProblem, type HttpGate } from '#http';
import { NEXT_CHALLENGE_HEADER, PROOF_HEADER, type RefusalReason, type RequestVerifier } from '#secret';
import type { Logger, Metrics } from '#telemetry';
import { AuditLog } from './audit-log.js';

/** Probes and scrapers have no secret, and learn none here. */
const OPEN_TO_ALL: readonly string[] = [ROUTES.healthLive, ROUTES.healthReady, ROUTES.metrics];

/**
 * Lets in the requests that a server of the cluster has signed, and shows in the answer that this one knows the
 * secret too. All others are refused with 401, counted, and told of in the log.
 */
export function requireSignature(
  verifier: RequestVerifier,
  { logger, metrics }: { logger: Logger; metrics: Metrics },
): HttpGate {
  const audit = new AuditLog(logger);
  const refused = metrics.counter(
    'granary_http_unauthorized_total',
    'Requests refused because no server with the cluster secret signed them, by reason.',
    ['reason'],
  );
  return (req, res) => {
    const target = req.url ?? '';
    if (OPEN_TO_ALL.includes(target)) return true;
    const verification = verifier.verify({
      method: req.method ?? '',
      host: req.headers.host ?? '',
      target,
      header: name => headerOf(req, name),
    });
    if (verification.ok) {
      res.setHeader(PROOF_HEADER, verification.proof);
      if (verification.nextChallenge !== undefined) res.setHeader(NEXT_CHALLENGE_HEADER, verification.nextChallenge);
      return true;
    }
    refused.inc({ reason: verification.reason });
    tell(audit, req, verification.reason);
    refuse(req, res, verification);
    return false;
  };
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.join(', ');
}

/** What a server of the cluster does at its first contact is no news; what it does after a restart is no alarm. */
function tell(audit: AuditLog, req: IncomingMessage, reason: RefusalReason): void {
  if (reason === 'greeting') return;
  audit.write(reason === 'stale' ? 'info' : 'warn', {
    reason,
    remoteAddress: req.socket.remoteAddress,
    method: req.method,
    path: (req.url ?? '').slice(0, MAX_LOGGED_PATH),
    requestId: requestIdOf(req),
  });
}

const MAX_LOGGED_PATH = 200;

function refuse(req: IncomingMessage, res: ServerResponse, { reason, challenge }: Refusal): void {
  const headers = { 'WWW-Authenticate': challenge };
  sendProblem(req, res, new GranaryError('unauthorized', MESSAGES[reason], { headers }));
}

interface Refusal {
  reason: RefusalReason;
  challenge: string;
}

const UNSIGNED = 'This data server answers only servers of its cluster, which sign their requests; ask an API server.';
const MESSAGES: Readonly<Record<RefusalReason, string>> = {
  unsigned: UNSIGNED,
  greeting: UNSIGNED,
  malformed: UNSIGNED,
  'wrong-signature': 'The request is not signed with the secret of this cluster.',
  'other-address': 'The request is signed for another server.',
  replayed: 'The request came before.',
  stale: 'The challenge that the request is signed with is not, or no longer, one of this process.',
};
