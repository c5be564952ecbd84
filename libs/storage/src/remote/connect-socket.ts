import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import { splitAddress } from './server-address.js';

/** For a cluster that speaks TLS: the certificates that are trusted, and our own. Asked for at each connection. */
export interface ClientTls {
  secureContext(): SecureContext;
}

export interface SocketOptions {
  address: string;
  tls?: ClientTls | undefined;
  /** As for net.connect: `buffer` is asked for once at the start and once after each `callback`, which tells whether to read on. */
  onread: { buffer: () => Buffer; callback: (bytes: number) => boolean };
  /** The connection stands; with TLS, its other end has shown the certificate of this address. */
  onConnect: () => void;
}

/** A connection that reads into buffers of the caller, with TLS too. After a `callback` that said no, `resume` reads on. */
export function connectSocket({ address, tls, onread, onConnect }: SocketOptions): Socket {
  const { host, port } = splitAddress(address);
  if (tls === undefined) return connect({ host, port, noDelay: true, onread }, onConnect);
  // A certificate may name an address, but an address is no server name (RFC 6066 §3).
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connectTls({ host, port, secureContext: tls.secureContext(), ...name }, onConnect);
  socket.setNoDelay(true);
  readInto(socket, onread);
  return socket;
}

/** TLS sockets know no `onread`: what node:tls has decrypted into buffers of its own is copied. */
function readInto(socket: TLSSocket, { buffer, callback }: SocketOptions['onread']): void {
  let target = buffer();
  socket.on('data', (chunk: Buffer) => {
    const bytes = chunk.copy(target);
    const canReadOn = callback(bytes);
    target = buffer();
    // A chunk is a TLS record, of at most 16 KiB, and fits; but nothing says that it always will.
    if (bytes < chunk.length) socket.unshift(chunk.subarray(bytes));
    if (!canReadOn) socket.pause();
  });
}
