import type { IncomingMessage } from 'node:http';
import { GranaryError, decodeObjectName, type ObjectName } from '#contracts';

/** Express keeps what the client sent in `originalUrl`, and may change `url`. */
type RequestWithOriginalUrl = IncomingMessage & { originalUrl?: string };

/**
 * The name after a prefix such as `/objects/`, from the raw request target, so that no router has
 * decoded or normalised it before. Throws `route-not-found`, `name-invalid` or `name-too-long`.
 */
export function objectNameOf(req: RequestWithOriginalUrl, prefix: string): ObjectName {
  const path = rawPath(req.originalUrl ?? req.url ?? '');
  if (!path.startsWith(prefix)) throw new GranaryError('route-not-found', 'There is no such resource.');
  return decodeObjectName(path.slice(prefix.length));
}

/** A target may be absolute too (RFC 9112 §3.2.2): `http://host/objects/x`. */
function rawPath(target: string): string {
  const path = target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?]*/i, '');
  const query = path.indexOf('?');
  return query === -1 ? path : path.slice(0, query);
}
