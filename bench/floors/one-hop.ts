import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** So many bytes of objects are kept; the oldest go first, so that a long run of PUTs stays bounded. */
const KEPT_BYTES = 512 * 1024 * 1024;

/** A store in memory on a bare node:http server. */
export function oneHop(): RequestListener {
  const objects = new Map<string, Buffer[]>();
  let keptBytes = 0;

  const remove = (url: string): boolean => {
    keptBytes -= length(objects.get(url) ?? []);
    return objects.delete(url);
  };
  const keep = (url: string, chunks: Buffer[]): void => {
    remove(url);
    objects.set(url, chunks);
    keptBytes += length(chunks);
    for (const oldest of objects.keys()) {
      if (keptBytes <= KEPT_BYTES) return;
      remove(oldest);
    }
  };

  return (request, response) => {
    const url = request.url ?? '';
    if (request.method === 'PUT') put(request, response, chunks => keep(url, chunks));
    else if (request.method === 'DELETE') answer(response, remove(url) ? 204 : 404);
    else get(response, objects.get(url));
  };
}

function put(request: IncomingMessage, response: ServerResponse, keep: (chunks: Buffer[]) => void): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    keep(chunks);
    answer(response, 200);
  });
}

function get(response: ServerResponse, chunks: Buffer[] | undefined): void {
  if (chunks === undefined) return answer(response, 404);
  response.writeHead(200, { 'Content-Length': length(chunks), 'Content-Type': 'application/octet-stream' });
  sendFrom(response, chunks, 0);
}

function sendFrom(response: ServerResponse, chunks: Buffer[], first: number): void {
  for (let index = first; index < chunks.length; index++) {
    if (!response.write(chunks[index])) {
      response.once('drain', () => sendFrom(response, chunks, index + 1));
      return;
    }
  }
  response.end();
}

function answer(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'Content-Length': 0 }).end();
}

function length(chunks: Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}
