import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GranaryError, ROUTES } from '#contracts';
import { responseBefore } from './connections.js';
import { answerDelete } from './delete-request.js';
import type { Exchange, ObjectEndpointOptions } from './exchange.js';
import { answerGet, answerHead } from './get-request.js';
import type { ObjectStore } from './object-store.js';
import { endWithProblem, toGranaryError } from './problem.js';
import { answerPut } from './put-request.js';
import { queryOf } from './query.js';
import { objectNameOf } from './raw-name.js';
import { checkRequest } from './request-checks.js';
import { requestIdOf } from './request-id.js';
import { ClientGone } from './response-body.js';

/** Answers one request; small answers leave with the turn of the event loop. Never rejects. */
export type HttpHandler = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

/**
 * Serves any ObjectStore under /objects/<name>: a data server's shards, or an API server's store that places
 * and locates, or that keeps versions. It wants the raw request (no body parser before it) and answers every method. The server
 * must be made with HTTP_SERVER_OPTIONS and `hardenServer`: without them node invites bodies that are
 * to be refused, and stalled transfers stay for ever.
 */
export function createObjectEndpoint(store: ObjectStore, options: ObjectEndpointOptions): HttpHandler {
  return async (req, res) => {
    const startedMs = options.observe === undefined ? 0 : performance.now();
    try {
      checkRequest(req);
      await inTurn(res);
      const name = objectNameOf(req, ROUTES.objects);
      const version = versionOf(req.url ?? '', store);
      await answer({ store, options, req, res, requestId: requestIdOf(req), name, version });
    } catch (error) {
      fail(req, res, error, options);
    }
    options.observe?.(req.method ?? '', res.statusCode, (performance.now() - startedMs) / 1000);
  };
}

/**
 * A pipelined request waits for those before it: a GET behind a PUT must see what was put (RFC 9112
 * §9.3.2), and node hands out both at once.
 */
function inTurn(res: ServerResponse): Promise<unknown> | undefined {
  const before = responseBefore(res);
  return before && once(before, 'close');
}

/**
 * Throws `query-invalid`, and `versions-not-kept` rather than answer with another version than was asked for.
 * Where versions are kept a misspelt parameter would do that as well; elsewhere others are ignored, as peers ignore them.
 */
function versionOf(target: string, store: ObjectStore): string | undefined {
  if (!target.includes('?')) return undefined;
  const parameters = queryOf(target);
  const version = parameters.get('version');
  if (version === '') throw new GranaryError('query-invalid', 'The parameter version is empty.');
  if (version !== undefined && store.keepsVersions !== true) {
    throw new GranaryError('versions-not-kept', 'No versions are kept here, so none can be asked for.');
  }
  if (store.keepsVersions === true) refuseOthers(parameters);
  return version;
}

function refuseOthers(parameters: ReadonlyMap<string, string>): void {
  for (const name of parameters.keys()) {
    if (name === 'version') continue;
    throw new GranaryError('query-invalid', `Objects have no parameter "${name.slice(0, 40)}"; they have version.`);
  }
}

function answer(exchange: Exchange): Promise<void> {
  switch (exchange.req.method) {
    case 'GET':
      return answerGet(exchange);
    case 'HEAD':
      return answerHead(exchange);
    case 'PUT':
      return answerPut(exchange);
    case 'DELETE':
      return answerDelete(exchange);
    default:
      throw new GranaryError('method-not-allowed', `${exchange.req.method} is not a method of objects.`, {
        headers: { Allow: 'GET, HEAD, PUT, DELETE' },
      });
  }
}

function fail(req: IncomingMessage, res: ServerResponse, cause: unknown, options: ObjectEndpointOptions): void {
  // The client may have left while its body or its answer was under way: its doing, and nobody to tell.
  if (cause instanceof ClientGone || res.destroyed) return;
  endWithProblem(req, res, toGranaryError(cause), options.logger);
}
