import { Agent, request } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { toObjectName } from '#contracts';
import { MemoryShardStore } from '#storage/memory';
import { drainServer } from './drain.js';
import { RawClient } from './testing/raw-client.js';
import { startServer } from './testing/start-server.js';

const GET = 'GET /objects/x HTTP/1.1\r\nHost: x\r\n\r\n';
const HALF_PUT = 'PUT /objects/y HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nha';

async function start() {
  const store = new MemoryShardStore();
  await store.put(toObjectName('x'), Buffer.from('text'), {});
  return startServer(store);
}

async function idleClient(port: number): Promise<RawClient> {
  const client = await RawClient.connect(port);
  client.send(GET);
  await client.untilText(/text$/);
  return client;
}

describe('draining', () => {
  it('lets requests in progress finish, and closes their connections', async () => {
    const { server, port } = await start();
    const client = await RawClient.connect(port);
    client.send(HALF_PUT);
    await new Promise(resolve => setTimeout(resolve, 50));
    const drained = drainServer(server, { graceMs: 50, deadlineMs: 10_000 });
    await new Promise(resolve => setTimeout(resolve, 200));
    client.send('lf');
    await client.untilText(/^HTTP\/1.1 200 .*Connection: close/s);
    await client.untilClosed();
    expect(await drained).toEqual({ cutRequests: 0 });
  });

  it('still answers what arrives on idle connections within the grace', async () => {
    const { server, port } = await start();
    const [late, idle] = [await idleClient(port), await idleClient(port)];
    const drained = drainServer(server, { graceMs: 1_000, deadlineMs: 10_000 });
    await new Promise(resolve => setTimeout(resolve, 50));
    expect(idle.ended.isClosed).toBe(false);
    late.send(GET);
    await late.untilText(/text.*Connection: close.*text$/s);
    await idle.untilClosed();
    expect(await drained).toEqual({ cutRequests: 0 });
    await expect(RawClient.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('serves the connections that the kernel has made and nobody has accepted yet', async () => {
    const { server, port } = await start();
    const connecting = Array.from({ length: 20 }, () => RawClient.connect(port));
    await new Promise(process.nextTick);
    const drained = drainServer(server, { graceMs: 4_000, deadlineMs: 20_000 });
    const clients = await Promise.all(connecting);
    for (const client of clients) client.send(GET);
    for (const client of clients) await client.untilText(/^HTTP\/1.1 200 .*text$/s);
    expect(await drained).toEqual({ cutRequests: 0 });
  });

  it('cuts what is left at the deadline', async () => {
    const { server, port } = await start();
    const client = await RawClient.connect(port);
    client.send(HALF_PUT);
    await new Promise(resolve => setTimeout(resolve, 50));
    const startedMs = performance.now();
    expect(await drainServer(server, { graceMs: 10, deadlineMs: 300 })).toEqual({ cutRequests: 1 });
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    await client.untilClosed();
  });

  it('fails no request of clients that keep their connections busy', async () => {
    const { server, port } = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const refusals: unknown[] = [];
    let answered = 0;
    const failures: unknown[] = [];
    const get = (): Promise<void> =>
      new Promise(resolve => {
        const req = request({ port, host: '127.0.0.1', path: '/objects/x', agent }, res => {
          answered += 1;
          res.resume().once('close', resolve);
        });
        req.once('error', (error: NodeJS.ErrnoException) => {
          (error.code === 'ECONNREFUSED' ? refusals : failures).push(error);
          resolve();
        });
        req.end();
      });
    const client = async (): Promise<void> => {
      while (refusals.length === 0) await get();
    };
    const clients = Array.from({ length: 8 }, client);
    while (answered <= 8) await new Promise(resolve => setTimeout(resolve, 20));
    const result = await drainServer(server, { graceMs: 100, deadlineMs: 10_000 });
    await Promise.all(clients);
    agent.destroy();
    expect(failures).toEqual([]);
    expect(result).toEqual({ cutRequests: 0 });
  });
});
