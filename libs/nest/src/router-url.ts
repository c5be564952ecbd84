import { ROUTES } from '#contracts';

/**
 * What the router gets to see of a request's target; those of objects never come here. A name may be
 * any bytes, badly encoded, with empty or dotted segments or a kilobyte long; it is none of the
 * router's business and stands in as one plain segment, which `:name` in a route matches. The handler
 * takes the name, and the query, from `originalUrl`.
 */
export function toRouterUrl(originalUrl: string): string {
  if (originalUrl.startsWith(ROUTES.locate)) return `${ROUTES.locate}_`;
  return originalUrl.startsWith(ROUTES.versions) ? `${ROUTES.versions}_` : originalUrl;
}

/** The path and query of a request target, which may be absolute (RFC 9112 §3.2.2). */
export function withoutOrigin(target: string): string {
  if (target.startsWith('/')) return target;
  const rest = target.replace(/^https?:\/\/[^/?]*/i, '');
  return rest.startsWith('/') ? rest : `/${rest}`;
}
