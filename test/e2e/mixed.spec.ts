import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { startBroker, type Broker } from '../../tools/broker.js';
import { apiServer, Cluster, dataServer, viewOf } from '../harness/cluster.js';
import { declareExchanges } from '../harness/exchanges.js';
import { del, get, problemCode, put, request } from '../harness/http.js';
import { it } from '../harness/it.js';
import { loopback } from '../harness/lane.js';
import { endAllServers, type ServerProcess } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';
import { PeerApiServer } from '../peer/peer-api-server.js';
import { PeerDataServer } from '../peer/peer-data-server.js';

/** Names whose canonical spelling a peer keeps as it is. */
const NAMES = ['plain', 'a/b c', 'x&y<z>', 'ümläut 😀', 'quote\'"', '100%', 'a?b#c'];

let broker: Broker;
let peers: (PeerApiServer | PeerDataServer)[] = [];

beforeAll(async () => {
  broker = await startBroker();
  await declareExchanges(broker.url);
});

beforeEach(() => {
  peers = [];
});

/** Whatever a test did: no peer may crash on a message of ours. */
afterEach(async () => {
  const crashes = peers.map(peer => peer.crashed);
  await Promise.all(peers.map(peer => peer.stop()));
  await endAllServers();
  expect(crashes.filter(crash => crash !== undefined)).toEqual([]);
});

afterAll(async () => {
  await broker.stop();
  removeTempDirectories();
});

describe('our API servers over data servers of another implementation', () => {
  let api: ServerProcess;
  let datas: PeerDataServer[];

  beforeEach(async () => {
    datas = await Promise.all([101, 102].map(host => peerData(loopback(`1.${host}`))));
    api = await apiServer({ brokerUrl: broker.url }, 0);
    await waitUntil('both peers are in the view', 15_000, async () => (await view(api)).length === 2);
    await api.ready();
  });

  it('store, serve and locate under every spelling of a name', async () => {
    for (const name of NAMES) {
      const url = `${api.url}/objects/${encodeURIComponent(name)}`;
      expect([name, (await put(url, `body of ${name}`)).status]).toEqual([name, 200]);
      expect([name, (await get(url)).body.toString()]).toEqual([name, `body of ${name}`]);
      const holder = datas.find(data => data.objects.has(encodeURIComponent(name)));
      expect([name, holder?.objects.get(encodeURIComponent(name))?.toString()]).toEqual([name, `body of ${name}`]);
      const located = await get(`${api.url}/locate/${encodeURIComponent(name)}`);
      expect(JSON.parse(located.body.toString())).toBe(holder?.address);
    }
    await put(`${api.url}/objects/spelled/differently`, 'x');
    expect((await get(`${api.url}/objects/%73pelled%2Fdifferently`)).body.toString()).toBe('x');
  });

  it('send chunked PUTs, and ask a peer for nothing that it does not know', async () => {
    await put(`${api.url}/objects/asked`, randomBytes(200_000));
    await get(`${api.url}/objects/asked`);
    await request(`${api.url}/objects/asked`, { method: 'HEAD' });
    await del(`${api.url}/objects/asked`);
    const asked = datas.flatMap(data => data.requests).filter(({ url }) => url === '/objects/asked');
    expect(new Set(asked.map(({ method }) => method))).toEqual(new Set(['PUT', 'GET']));
    for (const { headers } of asked.filter(({ method }) => method === 'PUT')) {
      expect([headers['transfer-encoding'], headers['content-length'], headers.expect]).toEqual([
        'chunked',
        undefined,
        undefined,
      ]);
    }
  });

  it('pass bytes of any size both ways', async () => {
    for (const size of [0, 511, 512, 65_537, 5_000_000]) {
      const bytes = randomBytes(size);
      expect((await put(`${api.url}/objects/size-${size}`, Readable.from([bytes]))).status).toBe(200);
      const read = await get(`${api.url}/objects/size-${size}`);
      expect([size, read.status, read.body.equals(bytes)]).toEqual([size, 200, true]);
    }
  });

  it('serve a range by reading and skipping', async () => {
    const bytes = randomBytes(300_000);
    await put(`${api.url}/objects/ranged`, bytes);
    for (const [range, first, last] of [
      ['bytes=10-19', 10, 19],
      ['bytes=299990-', 299_990, 299_999],
      ['bytes=-5', 299_995, 299_999],
    ] as const) {
      const read = await get(`${api.url}/objects/ranged`, { Range: range });
      expect([range, read.status, read.headers['content-range']]).toEqual([
        range,
        206,
        `bytes ${first}-${last}/300000`,
      ]);
      expect(read.body.equals(bytes.subarray(first, last + 1))).toBe(true);
    }
    expect((await get(`${api.url}/objects/ranged`, { Range: 'bytes=300000-' })).status).toBe(416);
  });

  it('say 501 and name the server when a peer cannot delete', async () => {
    await put(`${api.url}/objects/undeletable`, 'x');
    const holder = datas.find(data => data.objects.has('undeletable'));
    const refused = await del(`${api.url}/objects/undeletable`);
    expect([refused.status, problemCode(refused)]).toEqual([501, 'peer-cannot']);
    expect(refused.body.toString()).toContain(holder?.address);
    expect((await get(`${api.url}/objects/undeletable`)).status).toBe(200);
  });

  it('check a declared digest themselves', async () => {
    const refused = await put(`${api.url}/objects/checked`, 'x', { 'Content-MD5': 'AAAAAAAAAAAAAAAAAAAAAA==' });
    expect([refused.status, problemCode(refused)]).toEqual([400, 'digest-mismatch']);
    expect((await get(`${api.url}/objects/checked`)).status).toBe(404);
  });

  it('miss after a second at most, and never mix up a late answer with another question', async () => {
    for (const data of datas) {
      data.objects.set('late', Buffer.from('late'));
      data.misbehaviour = { answerDelayMs: 1_200 };
    }
    const late = await get(`${api.url}/objects/late`);
    expect(late.ms).toBeLessThan(2_500);
    const misses = await Promise.all(
      Array.from({ length: 20 }, (_, index) => get(`${api.url}/locate/never-stored-${index}`)),
    );
    expect(misses.map(miss => miss.status)).toEqual(misses.map(() => 404));
  });

  it('break the connection when a peer breaks off in the middle', async () => {
    await put(`${api.url}/objects/cut`, randomBytes(1_000_000));
    for (const data of datas) data.misbehaviour = { cutAfterBytes: { bytes: 500_000, end: 'broken' } };
    await expect(get(`${api.url}/objects/cut`)).rejects.toThrow();
  });
});

describe("another implementation's API server over our data servers", () => {
  let api: PeerApiServer;
  let ours: ServerProcess[];

  beforeEach(async () => {
    api = await PeerApiServer.start({ brokerUrl: broker.url, host: loopback('2.101') });
    peers.push(api);
    ours = await Promise.all([0, 1].map(index => dataServer({ brokerUrl: broker.url }, index)));
    await Promise.all(ours.map(server => server.ready()));
    await waitUntil('the peer knows both', 15_000, () =>
      ours.every(({ address }) => api.liveServers.includes(address)),
    );
  });

  it('stores, serves and locates names in any spelling', async () => {
    for (const name of NAMES) {
      const url = `http://${api.address}/objects/${encodeURIComponent(name)}`;
      expect([name, (await put(url, `body of ${name}`)).status]).toEqual([name, 200]);
      // The peer chose any server; the object moves to its home once, perhaps between two of these requests.
      await waitUntil(`${name} is served where it is located, and through the peer`, 15_000, async () => {
        const holder = JSON.parse(
          (await get(`http://${api.address}/locate/${encodeURIComponent(name)}`)).body.toString(),
        ) as string;
        expect(ours.map(server => server.address)).toContain(holder);
        const direct = await get(`http://${holder}/objects/${encodeURIComponent(name)}`);
        const throughPeer = await get(url);
        return [direct, throughPeer].every(answer => answer.body.toString() === `body of ${name}`);
      });
    }
    await put(`http://${api.address}/objects/spelled%2fhere`, 'lower case');
    await waitUntil('it is served under another spelling', 15_000, async () => {
      const read = await get(`http://${api.address}/objects/%73pelled%2Fhere`);
      return read.body.toString() === 'lower case';
    });
  });

  it('hears nothing from us when an object is missing, and waits its second', async () => {
    const startedMs = performance.now();
    expect((await get(`http://${api.address}/objects/missing`)).status).toBe(404);
    expect(performance.now() - startedMs).toBeGreaterThan(990);
  });

  it('never gets an object whose upload was cut short', async () => {
    const halfway = Readable.from(
      (async function* () {
        yield randomBytes(200_000);
        throw new Error('gone');
      })(),
    );
    await put(`http://${api.address}/objects/half`, halfway).catch(() => undefined);
    expect((await get(`http://${api.address}/objects/half`)).status).toBe(404);
  });
});

describe('a cluster of both', () => {
  it('serves at either API server what the other stored, wherever it is', async () => {
    const peer = await PeerApiServer.start({ brokerUrl: broker.url, host: loopback('2.101') });
    peers.push(peer);
    const peerStore = await peerData(loopback('1.101'));
    const cluster = await Cluster.start({ brokerUrl: broker.url, apiServers: 1, dataServers: 2 });
    await waitUntil('the peer knows all three', 15_000, () => peer.liveServers.length >= 3);
    await waitUntil('we know all three', 15_000, async () => {
      return (await cluster.view()).filter(({ state }) => state === 'ready').length === 3;
    });

    peerStore.objects.set('at-the-peer', Buffer.from('only there'));
    expect((await get(`${cluster.api()}/objects/at-the-peer`)).body.toString()).toBe('only there');
    for (const name of NAMES) {
      const segment = encodeURIComponent(name);
      await put(`${cluster.api()}/objects/${segment}`, `ours: ${name}`);
      expect((await get(`http://${peer.address}/objects/${segment}`)).body.toString()).toBe(`ours: ${name}`);
      expect((await put(`http://${peer.address}/objects/theirs-${segment}`, name)).status).toBe(200);
      expect((await get(`${cluster.api()}/objects/theirs-${segment}`)).body.toString()).toBe(name);
    }
    expect([...peerStore.objects.keys()].filter(key => !key.startsWith('theirs-'))).toEqual(['at-the-peer']);
    await cluster.stop();
  });
});

async function peerData(host: string): Promise<PeerDataServer> {
  const peer = await PeerDataServer.start({ brokerUrl: broker.url, host, heartbeatIntervalMs: 1_000 });
  peers.push(peer);
  return peer;
}

async function view(api: ServerProcess): Promise<unknown[]> {
  return (await viewOf(api.url)).filter(({ state }) => state === 'ready');
}
