import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from '@jest/globals';
import { breakConnection } from './break-connection.js';

const server = createServer();
afterEach(() => void server.close());

describe('breaking a connection', () => {
  it('resets it', async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const accepted = once(server, 'connection');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const failed = once(client, 'error');
    const [socket] = (await accepted) as [Socket];
    breakConnection(socket);
    expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
  });

  it('of TLS, which cannot be reset, destroys it', () => {
    const socket = new TLSSocket(new PassThrough());
    expect(() => socket.resetAndDestroy()).toThrow('handle');
    breakConnection(socket);
    expect(socket.destroyed).toBe(true);
  });
});
