import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';

export const NDJSON_CONTENT_TYPE = 'application/x-ndjson';

/** Whether the client asks for a line of JSON for each entry, rather than for a page. */
export function wantsLines({ headers: { accept = '' } }: IncomingMessage): boolean {
  return accept.split(',').some(range => {
    const [type = '', ...parameters] = range.split(';').map(part => part.trim().toLowerCase());
    return type === NDJSON_CONTENT_TYPE && !parameters.some(parameter => /^q=0(?:\.0*)?$/.test(parameter));
  });
}

export function sendJson(response: ServerResponse, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(200, { ...FIXED_HEADERS, 'Content-Type': 'application/json', 'Content-Length': bytes.length });
  response.end(bytes);
}

const FIXED_HEADERS = { Vary: 'Accept', 'Cache-Control': 'no-store' };

/** A listing, in pages of a bounded size. */
type Pages = AsyncIterable<readonly unknown[]> | Iterable<readonly unknown[]>;

/**
 * Sends each entry as a line, as fast as the client takes them and in constant memory. An error before
 * the first page is thrown with nothing sent; after it the connection is broken off, so that a part is
 * never taken for the whole.
 */
export function sendLines(request: IncomingMessage, response: ServerResponse, pages: Pages): Promise<void> {
  return send(request, response, NDJSON_CONTENT_TYPE, chunksOf(pages, { begin: '', separator: '\n', end: '\n' }));
}

/** Sends the entries as one JSON array, likewise. */
export function sendArray(request: IncomingMessage, response: ServerResponse, pages: Pages): Promise<void> {
  return send(request, response, 'application/json', chunksOf(pages, { begin: '[', separator: ',', end: ']' }));
}

const CHUNK_CHARACTERS = 64 * 1024;

async function* chunksOf(
  pages: Pages,
  { begin, separator, end }: { begin: string; separator: string; end: string },
): AsyncGenerator<string, void, undefined> {
  let chunk = begin;
  let isEmpty = true;
  for await (const page of pages) {
    for (const entry of page) {
      if (!isEmpty) chunk += separator;
      chunk += JSON.stringify(entry);
      isEmpty = false;
    }
    if (chunk.length < CHUNK_CHARACTERS) continue;
    yield chunk;
    chunk = '';
  }
  yield isEmpty && begin === '' ? '' : chunk + end;
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  contentType: string,
  chunks: AsyncGenerator<string, void, undefined>,
): Promise<void> {
  const first = await chunks.next();
  response.writeHead(200, { ...FIXED_HEADERS, 'Content-Type': contentType });
  if (request.method === 'HEAD') {
    await chunks.return();
    response.end();
    return;
  }
  try {
    await pipeline(continued(first, chunks), response);
  } catch (error) {
    // A client that leaves early is no failure of ours.
    if (!isClientGone(error)) throw error;
  }
}

async function* continued<T>(first: IteratorResult<T, void>, rest: AsyncGenerator<T, void, undefined>) {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

function isClientGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
}
