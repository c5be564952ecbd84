import type { IncomingMessage, ServerResponse } from 'node:http';

const LINGER_MS = 2_000;
const LINGER_BYTES = 8 * 1024 * 1024;

/**
 * Sends the rest of an answer whose `Connection: close` head was written, closes our side, and goes on
 * reading until the client has closed its own, or for 2 s or 8 MiB. Closing both at once, with its
 * bytes unread, would make TCP reset the connection and the client lose the answer (RFC 9112 §9.6).
 */
export function linger(req: IncomingMessage, res: ServerResponse, body: Buffer): void {
  const { socket } = req;
  let discardedBytes = 0;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  req.on('data', (chunk: Buffer) => {
    discardedBytes += chunk.length;
    if (discardedBytes > LINGER_BYTES) socket.destroy();
  });
  req.once('end', () => socket.destroySoon());
  // An answer to HEAD has no body whose write would take the head along.
  res.flushHeaders();
  res.write(body, () => socket.end());
  req.resume();
}
