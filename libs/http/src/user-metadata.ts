import type { IncomingHttpHeaders } from 'node:http';
import { GranaryError } from '#contracts';

const PREFIX = 'x-meta-';

/** Names without their prefix, and values, together. As in S3. */
export const MAX_USER_METADATA_BYTES = 2048;

/**
 * The X-Meta-* headers of a request, by what follows that in lower case. Values are kept byte by byte,
 * as node presents them (a character for each byte). Throws `user-metadata-too-large` and `header-invalid`.
 */
export function readUserMetadata(headers: IncomingHttpHeaders): Record<string, string> | undefined {
  const entries: [string, string][] = [];
  let bytes = 0;
  for (const header in headers) {
    if (!header.startsWith(PREFIX)) continue;
    const name = header.slice(PREFIX.length);
    if (name === '') throw new GranaryError('header-invalid', 'X-Meta- needs a name behind it.');
    const value = String(headers[header]);
    bytes += name.length + value.length;
    entries.push([name, value]);
  }
  if (bytes > MAX_USER_METADATA_BYTES) throw tooLarge(bytes);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

export function pushUserMetadata(headers: string[], userMetadata: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(userMetadata)) headers.push(`X-Meta-${name}`, userMetadata[name] ?? '');
}

function tooLarge(bytes: number): GranaryError {
  return new GranaryError(
    'user-metadata-too-large',
    `The X-Meta-* headers have ${bytes} bytes in their names and values; at most ${MAX_USER_METADATA_BYTES} are kept.`,
  );
}
