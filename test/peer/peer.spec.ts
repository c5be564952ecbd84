import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { connect } from 'amqplib';
import { startBroker, type Broker } from '../../tools/broker.js';
import { declareExchanges } from '../harness/exchanges.js';
import { get, put, request } from '../harness/http.js';
import { it } from '../harness/it.js';
import { loopback } from '../harness/lane.js';
import { waitUntil } from '../harness/wait-until.js';
import { PeerApiServer } from './peer-api-server.js';
import { PeerDataServer } from './peer-data-server.js';

/** The peers that other tests stand beside our servers, among themselves: what they do is the protocol's description, weaknesses included. */
describe('a peer', () => {
  let broker: Broker;
  let api: PeerApiServer;
  let data: PeerDataServer;

  beforeAll(async () => {
    broker = await startBroker();
    await declareExchanges(broker.url);
    api = await PeerApiServer.start({ brokerUrl: broker.url, host: loopback('2.101') });
    data = await PeerDataServer.start({ brokerUrl: broker.url, host: loopback('1.101') });
    await waitUntil('the API server knows the data server', 15_000, () => api.liveServers.includes(data.address));
  });

  afterAll(async () => {
    await api.stop();
    await data.stop();
    await broker.stop();
  });

  it('stores, serves and locates by the verbatim first segment', async () => {
    const stored = await put(`http://${api.address}/objects/a%2fb&c/ignored`, 'bytes');
    expect([stored.status, stored.headers['content-length'], stored.body.length]).toEqual([200, '0', 0]);
    expect([...data.objects.keys()]).toEqual(['a%2fb&c']);
    expect((await get(`http://${api.address}/objects/a%2fb&c`)).body.toString()).toBe('bytes');
    const located = await get(`http://${api.address}/locate/a%2fb&c`);
    expect(JSON.parse(located.body.toString())).toBe(data.address);
  });

  it('sends no length from 512 bytes on', async () => {
    await put(`http://${api.address}/objects/short`, Buffer.alloc(511));
    await put(`http://${api.address}/objects/long`, Buffer.alloc(512));
    expect((await get(`http://${data.address}/objects/short`)).headers['content-length']).toBe('511');
    expect((await get(`http://${data.address}/objects/long`)).headers['content-length']).toBeUndefined();
  });

  it('waits a second for an object that nobody has', async () => {
    const startedMs = performance.now();
    expect((await get(`http://${api.address}/objects/missing`)).status).toBe(404);
    expect(performance.now() - startedMs).toBeGreaterThan(990);
  });

  it('knows no other method', async () => {
    for (const server of [api, data]) {
      expect((await request(`http://${server.address}/objects/x`, { method: 'DELETE' })).status).toBe(405);
    }
  });

  it('crashes on a body that is no JSON string', async () => {
    const victim = await PeerDataServer.start({ brokerUrl: broker.url, host: loopback('1.102') });
    const connection = await connect(broker.url);
    const channel = await connection.createChannel();
    channel.publish('dataServers', '', Buffer.from('{"isDisposed":true}'));
    await waitUntil('it crashed', 10_000, () => victim.crashed !== undefined);
    await connection.close();
    await waitUntil('the other one crashed, too', 10_000, () => data.crashed !== undefined);
  });
});
