import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * Ends a connection in the middle of an answer so that nobody takes the part for the whole: by a reset. node resets plain
 * connections alone; over TLS the farewell is left out, which a client that does not ask for it (node's) learns only from
 * the length or the chunks.
 */
export function breakConnection(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
