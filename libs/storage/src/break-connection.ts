import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * Ends a connection in the middle of an answer so that nobody takes the part for the whole: by a reset, or by leaving
 * out the farewell that TLS demands, since node resets plain connections alone.
 */
export function breakConnection(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
