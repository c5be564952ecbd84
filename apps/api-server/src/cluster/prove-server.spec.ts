import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { parseHeartbeat, encodeBody } from '#contracts';
import type { Member } from '#cluster';
import { RemoteStores } from '#storage/remote';
import { proveServer } from './prove-server.js';

const servers: Server[] = [];
const stores = new RemoteStores();
const prove = proveServer(call => stores.call(call));

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function memberAt(address: string, claims?: { serverId: string; bootId: string }): Member {
  const facts = claims && {
    ...claims,
    sequence: 1,
    state: 'ready' as const,
    capacityBytes: 1,
    usedBytes: 0,
    clock: 0,
    members: [],
  };
  const about = { lastBeatMs: 0, lastBeatAt: new Date(), proven: false, suspect: false };
  return { key: claims?.serverId ?? `peer:${address}`, address, kind: facts ? 'granary' : 'peer', facts, ...about };
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

describe('proveServer', () => {
  it('believes a server of ours that shows the identity it claims, and no other', async () => {
    const address = await serve((_, response) =>
      response.end(JSON.stringify({ serverId: 's1', bootId: 'b1', version: '1' })),
    );
    expect(await prove(memberAt(address, { serverId: 's1', bootId: 'b1' }))).toBe(true);
    expect(await prove(memberAt(address, { serverId: 's1', bootId: 'b2' }))).toBe(false);
    expect(await prove(memberAt(address, { serverId: 's2', bootId: 'b1' }))).toBe(false);
  });

  it.each(['', 'null', '{"serverId":1}', `"${'x'.repeat(100_000)}"`])('believes no nonsense', async body => {
    const address = await serve((_, response) => response.end(body));
    expect(await prove(memberAt(address, { serverId: 's1', bootId: 'b1' }))).toBe(false);
  });

  it('knows a peer by its manners, and takes neither a web server nor one of ours for a peer', async () => {
    const peer = await serve((request, response) => {
      response.statusCode = request.method === 'GET' ? 404 : 405;
      response.end();
    });
    const web = await serve((_, response) => response.end('<html>'));
    const ours = await serve((request, response) => {
      response.statusCode = request.url === '/identity' ? 200 : request.method === 'GET' ? 404 : 405;
      response.end();
    });
    expect(await prove(memberAt(peer))).toBe(true);
    expect(await prove(memberAt(web))).toBe(false);
    expect(await prove(memberAt(ours))).toBe(false);
  });

  it('gives up on one that does not answer', async () => {
    const hung = await serve(() => {});
    await expect(prove(memberAt(hung))).rejects.toThrow();
    await expect(prove(memberAt('127.0.0.1:1'))).rejects.toThrow();
  });

  it('is never sent anywhere by what is no address', () => {
    for (const text of ['localhost', 'a b:80', 'host:80/path', 'user@host:80', 'host:0', 'host:99999']) {
      expect(parseHeartbeat(encodeBody(text), {})).toBeUndefined();
    }
  });
});
