import { createReadStream } from 'node:fs';
import { open, rename, stat, unlink } from 'node:fs/promises';
import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream';

/** A durable store that keeps each object in a file of its own: write, fdatasync, rename, fsync of the directory. */
export function fileEach(directory: string): RequestListener {
  const pathOf = (request: IncomingMessage): string =>
    join(
      directory,
      createHash('sha256')
        .update(request.url ?? '')
        .digest('hex'),
    );

  return (request, response) => {
    handle(request, response, directory, pathOf(request)).catch(() => answer(response, 500));
  };
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  directory: string,
  path: string,
): Promise<void> {
  if (request.method === 'PUT') return put(request, response, directory, path);
  if (request.method === 'DELETE') return remove(response, path);
  return get(response, path);
}

async function put(request: IncomingMessage, response: ServerResponse, directory: string, path: string): Promise<void> {
  const temporary = join(directory, `${randomUUID()}.tmp`);
  const file = await open(temporary, 'wx');
  for await (const chunk of request) await file.write(chunk as Buffer);
  await file.datasync();
  await file.close();
  await rename(temporary, path);
  await syncDirectory(directory);
  answer(response, 200);
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  await handle.sync();
  await handle.close();
}

async function remove(response: ServerResponse, path: string): Promise<void> {
  const existed = await unlink(path).then(
    () => true,
    () => false,
  );
  answer(response, existed ? 204 : 404);
}

async function get(response: ServerResponse, path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return answer(response, 404);
  response.writeHead(200, { 'Content-Length': found.size, 'Content-Type': 'application/octet-stream' });
  pipeline(createReadStream(path), response, () => undefined);
}

function answer(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'Content-Length': 0 }).end();
}
