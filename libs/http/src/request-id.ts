import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const ACCEPTED = /^[A-Za-z0-9._-]{1,64}$/;
const processPrefix = randomBytes(6).toString('hex');
let sequence = 0;

/** A property, since a WeakMap costs more than all the rest of this file. */
const ID = Symbol('request id');
type IdentifiedRequest = IncomingMessage & { [ID]?: string };

/** The id of a request: the client's own `X-Request-Id` if it is harmless in a log, else a new one. The same at every call. */
export function requestIdOf(req: IdentifiedRequest): string {
  return (req[ID] ??= acceptedId(req.headers['x-request-id']) ?? newRequestId());
}

function acceptedId(offered: string | string[] | undefined): string | undefined {
  return typeof offered === 'string' && ACCEPTED.test(offered) ? offered : undefined;
}

/** Unique among all processes for practical purposes; no randomness is drawn per request. */
export function newRequestId(): string {
  sequence += 1;
  return `${processPrefix}-${sequence.toString(36)}`;
}
