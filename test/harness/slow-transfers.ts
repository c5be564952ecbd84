import { get as httpGet, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';

/** An upload whose body the test writes piece by piece; `answer` is empty when the connection ends without one. */
export function beginPut(api: string, path: string, length: number): { socket: Socket; answer: Promise<string> } {
  const { hostname, port } = new URL(api);
  const socket = connect(Number(port), hostname);
  socket.write(`PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`);
  const answer = new Promise<string>(resolve => {
    socket.once('data', data => resolve(data.toString()));
    socket.once('close', () => resolve(''));
    socket.on('error', () => undefined);
  });
  return { socket, answer };
}

/** A response of which little is read until somebody reads on. */
export function slowly(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => httpGet(url, { agent: false }, resolve).on('error', reject));
}
