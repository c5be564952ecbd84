import { MESSAGE_HEADERS, encodeBody, hashName, locateAnswerHeaders, parseLocateRequest } from '#contracts';
import type { IncomingMessage, OutgoingMessage } from '#mq';
import type { ShardCatalog } from '#storage';
import type { OwnServer } from './own-server.js';

export interface LocateResponder {
  own: Pick<OwnServer, 'serverId' | 'bootId' | 'address'>;
  catalog: Pick<ShardCatalog, 'entry'>;
  /** A request that cannot be read is dropped. */
  onMalformed: () => void;
}

/**
 * The answer to a locate request. Silence (undefined) means "not here" in the protocol; who says that
 * it understands a plain "no" is told, so that it need not wait. What is here but damaged is here.
 */
export function answerLocate(
  { own, catalog, onMalformed }: LocateResponder,
  request: IncomingMessage,
): OutgoingMessage | undefined {
  const name = parseLocateRequest(request.body);
  if (name === undefined) {
    onMalformed();
    return undefined;
  }
  const entry = catalog.entry(hashName(name));
  const isHere = entry !== undefined && !entry.removed;
  if (!isHere && request.headers[MESSAGE_HEADERS.understandsNo] === undefined) return undefined;
  return {
    body: encodeBody(own.address),
    headers: locateAnswerHeaders(own, isHere, entry?.stamp),
    ttlMs: ANSWER_TTL_MS,
  };
}

/** Nobody waits longer for an answer. */
const ANSWER_TTL_MS = 2000;
