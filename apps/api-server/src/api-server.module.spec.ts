import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  EXCHANGES,
  encodeBody,
  hashName,
  heartbeatHeaders,
  locateAnswerHeaders,
  parseControl,
  parseLocateRequest,
} from '#contracts';
import { MemoryHub, MemoryMessageBus } from '#mq/memory';
import { MemoryShardStore } from '#storage/memory';
import { Metrics, silentLogger } from '#telemetry';
import { startApiServer, type ApiServer } from './api-server.module.js';

/** An API server as it is composed, on a bus in memory, with one data server that is a store, an identity and a beat. */
describe('startApiServer', () => {
  const hub = new MemoryHub();
  const memory = new MemoryShardStore();
  let identity: Server;
  let address: string;
  let api: ApiServer;
  let url: string;

  beforeAll(async () => {
    identity = createServer((_, response) =>
      response.end(JSON.stringify({ serverId: 'one', bootId: 'boot', version: '0' })),
    );
    await new Promise<void>(resolve => identity.listen(0, '127.0.0.1', resolve));
    address = `127.0.0.1:${(identity.address() as AddressInfo).port}`;
    await announce(new MemoryMessageBus(hub));
    api = await startApiServer(
      {
        listenAddress: { host: '127.0.0.1', port: 0 },
        maxObjectSizeBytes: 1e9,
        maxConnections: 100,
        stallTimeoutMs: 5000,
        shutdownDeadlineMs: 1000,
        locateTimeoutMs: 20_000,
        dataServerTimeoutMs: 20_000,
        segmentSizeBytes: 2 ** 26,
        blobGraceSeconds: 86_400,
        smallSegmentBytes: 2 ** 17,
        hotBlobCacheBytes: 0,
        serverExpiryMs: 600_000,
        forgetServerAfterMs: 1e9,
      },
      {
        logger: silentLogger,
        metrics: new Metrics(),
        bus: new MemoryMessageBus(hub),
        localStores: new Map([['one', { objects: memory, shards: undefined }]]),
      },
    );
    url = `http://${api.address}`;
    await untilReady();
  });

  afterAll(async () => {
    await api.stop();
    identity.close();
  });

  async function announce(bus: MemoryMessageBus): Promise<void> {
    let sequence = 0;
    await bus.subscribe(EXCHANGES.control, ({ body }) => {
      if (parseControl(body)?.kind !== 'beat-now') return;
      sequence += 1;
      const state = { state: 'ready', capacityBytes: 1e9, usedBytes: 5, clock: 0, members: ['one', 'gone'] } as const;
      const headers = heartbeatHeaders({ serverId: 'one', bootId: 'boot', sequence, ...state });
      void bus.publish(EXCHANGES.apiServers, { body: encodeBody(address), headers });
    });
    await bus.subscribe(EXCHANGES.dataServers, message => {
      const name = parseLocateRequest(message.body);
      if (name === undefined) return;
      const headers = locateAnswerHeaders(
        { serverId: 'one', bootId: 'boot' },
        memory.has(name),
        memory.entry(hashName(name))?.stamp,
      );
      void bus.answer(message, { body: encodeBody(address), headers });
    });
  }

  async function untilReady(): Promise<void> {
    for (let attempt = 0; attempt < 1000; attempt += 1) {
      if ((await fetch(`${url}/health/ready`)).ok) return;
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    throw new Error('The API server did not become ready.');
  }

  it('hears the data server that it asked to beat, and serves objects', async () => {
    const put = await fetch(`${url}/objects/a%2Fb%20c`, { method: 'PUT', body: 'bytes' });
    expect(put.status).toBe(200);
    const got = await fetch(`${url}/objects/a/b%20c`);
    expect(await got.text()).toBe('bytes');
    expect(got.headers.get('etag')).toBe(put.headers.get('etag'));
  });

  it('says where objects are, as peers do', async () => {
    await fetch(`${url}/objects/located`, { method: 'PUT', body: 'x' });
    const one = await fetch(`${url}/locate/located`);
    expect(await one.text()).toBe(`"${address}"`);
    expect(one.headers.get('content-type')).toBe('application/json');
    expect(await (await fetch(`${url}/locate/located?all`)).json()).toEqual([address]);
  });

  it('cannot tell what is missing while a server is, until it is forgotten', async () => {
    expect((await fetch(`${url}/objects/nothing`)).status).toBe(503);
    expect((await fetch(`${url}/locate/nothing`)).status).toBe(503);
    expect((await fetch(`${url}/cluster/servers/one`, { method: 'DELETE' })).status).toBe(412);
    expect((await fetch(`${url}/cluster/servers/nobody`, { method: 'DELETE' })).status).toBe(404);
    const { servers } = (await (await fetch(`${url}/cluster`)).json()) as { servers: unknown[] };
    expect(servers).toEqual([
      expect.objectContaining({ id: 'one', address, kind: 'granary', state: 'ready', usedBytes: 5 }),
      { id: 'gone', kind: 'granary', state: 'missing' },
    ]);
    expect((await fetch(`${url}/cluster/servers/gone`, { method: 'DELETE' })).status).toBe(204);
    expect((await fetch(`${url}/objects/nothing`)).status).toBe(404);
    expect((await fetch(`${url}/locate/nothing`)).status).toBe(404);
  });

  it('counts what it does not believe', async () => {
    const liar = new MemoryMessageBus(hub);
    await liar.publish(EXCHANGES.apiServers, { body: Buffer.from('{') });
    for (let turn = 0; turn < 5; turn += 1) await new Promise(resolve => setImmediate(resolve));
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('granary_messages_malformed_total{exchange="apiServers"} 1');
    expect(metrics).toContain('granary_data_servers_live 1');
  });
});
