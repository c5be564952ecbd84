import { GRANARY_HEADERS, GranaryError, REQUEST_ID_HEADER } from '#contracts';
import type { Exchange } from './exchange.js';
import type { RemovedObject, RemoveObjectOptions } from './object-store.js';
import { writePrecondition } from './preconditions.js';
import { readStamp } from './put-request.js';

/** DELETE /objects/<name>: 204 when it was there, 404 when it was not. With `?version=` that version alone, for good. */
export async function answerDelete(exchange: Exchange): Promise<void> {
  const { res, store, name } = exchange;
  const removed = await store.remove(name, readRemoveOptions(exchange));
  const headers = removalHeaders(exchange, removed);
  if (!removed.existed) {
    throw new GranaryError('object-not-found', 'No object has this name; nothing was deleted.', { headers });
  }
  res.writeHead(204, { [REQUEST_ID_HEADER]: exchange.requestId, ...headers });
  res.end();
}

function removalHeaders({ options }: Exchange, { stamp, version, isDeleteMarker }: RemovedObject) {
  const headers: Record<string, string> = {};
  if (options.trustGranaryHeaders === true && stamp !== undefined) headers[GRANARY_HEADERS.stamp] = String(stamp);
  if (version !== undefined) headers[GRANARY_HEADERS.version] = version;
  if (isDeleteMarker === true) headers[GRANARY_HEADERS.deleteMarker] = 'true';
  return headers;
}

function readRemoveOptions({ req, options, version }: Exchange): RemoveObjectOptions {
  const precondition = writePrecondition(req.headers);
  const isTrusted = options.trustGranaryHeaders === true;
  const stamp = isTrusted ? readStamp(req.headers) : undefined;
  return {
    ...(precondition !== undefined && { precondition }),
    ...(version !== undefined && { version }),
    ...(stamp !== undefined && { stamp }),
    ...(isTrusted && req.headers[GRANARY_HEADERS.remember] !== undefined && { remember: true }),
  };
}
