import type { IncomingMessage } from 'node:http';
import { GranaryError } from '#contracts';

/** A body of at most this size is read to its end rather than made a reason to close the connection. */
const SMALL_BODY_BYTES = 64 * 1024;

/**
 * What node's parser lets through and should not: HTTP/0.9, anything but one Host header (RFC 9112
 * §3.2), and transfer codings other than chunked (§6.1). To be called for every request of every route.
 */
export function checkRequest(req: IncomingMessage): void {
  if (req.httpVersionMajor !== 1) throw malformed(`HTTP/${req.httpVersion} is not spoken here.`);
  const hosts = countHosts(req.rawHeaders);
  if (hosts > 1 || (hosts === 0 && req.httpVersionMinor > 0)) {
    throw malformed(`The request has ${hosts} Host headers where one belongs.`);
  }
  const coding = req.headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw malformed(`Transfer-Encoding is ${coding}; only chunked is understood.`);
  }
}

function malformed(message: string): GranaryError {
  return new GranaryError('request-malformed', message);
}

function countHosts(rawHeaders: readonly string[]): number {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts;
}

/** Whether the client waits for 100 Continue before it sends its body. Throws `expectation-failed` for anything else. */
export function expectsContinue(req: IncomingMessage): boolean {
  const expect = req.headers.expect;
  if (expect === undefined || req.httpVersion === '1.0') return false;
  if (expect.toLowerCase() === '100-continue') return true;
  throw new GranaryError('expectation-failed', `Expect: ${expect} cannot be met; only 100-continue can.`);
}

/** Whether so much of the body is still to come, or may be, that the connection is not worth keeping for it. */
export function hasPendingBody(req: IncomingMessage): boolean {
  if (req.complete) return false;
  if (req.headers['transfer-encoding'] !== undefined || req.headers.expect !== undefined) return true;
  return Number(req.headers['content-length'] ?? 0) > SMALL_BODY_BYTES;
}
