import type { Readable } from 'node:stream';
import { GranaryError } from '#contracts';

const MAX_BYTES = 256 * 1024;

/** The body as JSON; undefined when it is none. Throws `request-malformed` when it is too long. */
export async function readJson(body: Readable): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new GranaryError('request-malformed', `The body is longer than ${MAX_BYTES} bytes.`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return undefined;
  }
}
