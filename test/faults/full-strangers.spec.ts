/**
 * Rows 15 and 29 in a full cluster without a secret: servers that are not who they should be. What belongs
 * to a server goes by the id in its directory, and what is read by the digest in the database; it would fail
 * by one wrong byte in an answer that ends well. What a secret adds: secret.spec.ts.
 */
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { toObjectName } from '#contracts';
import { RemoteStores } from '#storage/remote';
import { startBroker, type Broker } from '../../tools/broker.js';
import type { Cluster } from '../harness/cluster.js';
import { shardsOf, startFullCluster } from '../harness/full-cluster.js';
import { get, problemCode } from '../harness/http.js';
import { inParallel } from '../harness/in-parallel.js';
import { it } from '../harness/it.js';
import { KnownObjects } from '../harness/known-objects.js';
import { loopback } from '../harness/lane.js';
import { Load, writeAndRead } from '../harness/load.js';
import { endAllServers, ServerProcess } from '../harness/server-process.js';
import { removeTempDirectories, tempDirectory } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';
import { forgedFacts, Stranger, withChannel } from './stranger.js';

const OBJECTS = 24;
const SMALL_BYTES = 4_000;
const LARGE_BYTES = 400_000;
const BEATS = 20;
/** As many more, until the strangers have been asked what they are to be asked. */
const MAX_BEATS = 200;
const BEAT_INTERVAL_MS = 200;

let broker: Broker;
let cluster: Cluster;
let objects: KnownObjects;

beforeAll(async () => {
  broker = await startBroker();
  cluster = await startFullCluster({ brokerUrl: broker.url });
  objects = new KnownObjects(cluster);
  await objects.store('small', OBJECTS, SMALL_BYTES);
  await objects.store('large', OBJECTS, LARGE_BYTES);
});
afterAll(async () => {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
});

describe('a data server on a wrong directory (row 15)', () => {
  it('is the server that the directory belongs to: two that were swapped serve all, each under its own id', async () => {
    const [first, second] = [cluster.data(0), cluster.data(1)];
    const [firstId, secondId] = [await idAt(first), await idAt(second)];
    const [firstRoot, secondRoot] = [rootOf(first), rootOf(second)];
    await Promise.all([first.stop(), second.stop()]);
    first.start({ STORAGE_ROOT: secondRoot });
    second.start({ STORAGE_ROOT: firstRoot });
    await cluster.ready();
    expect([await idAt(first), await idAt(second)]).toEqual([secondId, firstId]);
    for (const api of cluster.apis) await waitUntil('their ids moved', 30_000, () => isAt(api.url, firstId, second));
    expect(await objects.compare()).toEqual([]);
    const shards = await shardsOf(cluster, 'large-0');
    expect(shards.find(({ server }) => server === firstId)?.address).toBe(second.address);
    await new KnownObjects(cluster).store('after-the-swap', 4, LARGE_BYTES);
  });

  it('refuses to start where another one runs, or on what belongs to another, and names the id it found', async () => {
    const owner = cluster.data(2);
    const id = await idAt(owner);
    const second = intruder({ STORAGE_ROOT: rootOf(owner) });
    expect(await second.exit()).toBe(1);
    expect(second.log.join('\n')).toContain(id);
    expect(second.log.join('\n')).toMatch(/in use/i);

    await owner.stop();
    const other = intruder({ STORAGE_ROOT: rootOf(owner), SERVER_ID: await idAt(cluster.data(3)) });
    expect(await other.exit()).toBe(1);
    expect(other.log.join('\n')).toContain(`belongs to server ${id}`);
    owner.start();
    await cluster.ready();
    expect(await idAt(owner)).toBe(id);
    expect(await objects.compare()).toEqual([]);
  });
});

describe('a stranger (row 29)', () => {
  it('that beats as a peer, as one of the servers, and as a new one, gets no byte and gives none', async () => {
    const taken = await idAt(cluster.data(4));
    const impersonator = await Stranger.start({ identity: { serverId: taken, bootId: 'forged' } });
    const newcomer = await Stranger.start({ identity: { serverId: 'newcomer', bootId: 'first' } });
    const load = new Load(
      writeAndRead('among-strangers', serial => cluster.api(serial), LARGE_BYTES),
      1,
    );
    const isHeard = () => newcomer.requests.includes('GET /frames') && impersonator.requests.includes('GET /identity');
    await withChannel(broker.url, async channel => {
      for (let sequence = 1; sequence <= BEATS || (!isHeard() && sequence <= MAX_BEATS); sequence++) {
        impersonator.beat(channel);
        impersonator.beat(channel, forgedFacts(taken, 'forged', 1_000_000 + sequence));
        newcomer.beat(channel, forgedFacts('newcomer', 'first', sequence));
        await new Promise(resolve => setTimeout(resolve, BEAT_INTERVAL_MS));
        if (sequence === BEATS / 2) expect(await objects.compare()).toEqual([]);
      }
    });
    const { failures, operations } = await load.stop();
    expect([failures, operations > 0]).toEqual([[], true]);
    expect(await objects.compare()).toEqual([]);
    expect([impersonator.receivedBytes, newcomer.receivedBytes]).toEqual([0, 0]);
    // They had been heard.
    for (const { requests } of [impersonator, newcomer]) expect(requests).toContain('GET /identity');
    for (const { requests } of [impersonator, newcomer]) expect(requests.filter(isOfBytes)).toEqual([]);
    // As the emptiest of all it was to get shards, and did not speak as a server of ours does.
    expect(newcomer.requests).toContain('GET /frames');
    for (const api of cluster.apis) expect(await isAt(api.url, taken, cluster.data(4))).toBe(true);
    await Promise.all([impersonator.stop(), newcomer.stop()]);
  });

  it('that answers every locate request is not believed: the database says what there is and where', async () => {
    const stranger = await Stranger.start();
    await withChannel(broker.url, async channel => {
      await stranger.answerLocates(channel);
      for (const { url } of cluster.apis) {
        const read = await get(`${url}/objects/nowhere`);
        expect([read.status, problemCode(read)]).toEqual([404, 'object-not-found']);
        expect((await get(`${url}/locate/nowhere`)).status).toBe(404);
        const located = JSON.parse((await get(`${url}/locate/small-0`)).body.toString()) as string;
        expect(cluster.datas.map(({ address }) => address)).toContain(located);
      }
      expect(await objects.compare()).toEqual([]);
    });
    expect(stranger.requests).toEqual([]);
    await stranger.stop();
  });

  it("in the place of a server, with that server's id and other bytes under the names of its shards: none is served as whole", async () => {
    const victim = cluster.data(5);
    const shards = await shardsAt(victim);
    expect(shards.length).toBeGreaterThan(OBJECTS);
    const id = await idAt(victim);
    await victim.kill();
    const impostor = intruder({
      LISTEN_ADDRESS: victim.address,
      STORAGE_ROOT: join(tempDirectory('store'), 'store'),
      RABBITMQ_SERVER: broker.url,
      SERVER_ID: id,
    });
    await impostor.ready();
    await fillWithNoise(impostor, shards);
    for (const api of cluster.apis) await cluster.sees(api.url, [victim.address]);

    const queued = await queuedRepairs();
    const served: string[] = [];
    await waitUntil('it was found out', 60_000, async () => {
      served.push(...(await whatNoiseDoes()));
      return (await queuedRepairs()) > queued;
    });
    expect(served).toEqual([]);

    await impostor.kill();
    victim.start();
    await cluster.ready();
    expect(await objects.compare()).toEqual([]);
  });
});

/** Reads every object, and tells what must not be. */
async function whatNoiseDoes(): Promise<string[]> {
  const wrong: string[] = [];
  for (const [index, name] of [...objects.digests.keys()].entries()) {
    const read = await get(`${cluster.api(index)}/objects/${name}`).catch(() => undefined);
    // A copy is replaced before anything is sent; of pieces it shows at the end, and the connection breaks.
    if (name.startsWith('small') && read?.status !== 200) wrong.push(`GET ${name}: ${read?.status ?? 'it broke'}`);
    if (read?.status === 200 && !objects.isRight(name, read.body)) wrong.push(`GET ${name}: other bytes`);
  }
  return wrong;
}

interface ForeignShard {
  key: string;
  sizeBytes: number;
}

/** Of the objects of this file. */
async function shardsAt({ address }: ServerProcess): Promise<ForeignShard[]> {
  const keys: string[] = [];
  for (const name of objects.digests.keys()) {
    const shards = await shardsOf(cluster, name);
    for (const { blob, segment, shard, ...at } of shards) {
      if (at.address === address) keys.push(`${blob}.${segment}.${shard}`);
    }
  }
  return withShardsAt(address, async store =>
    Promise.all(
      keys.map(async key => {
        const { size } = (await store.stat(toObjectName(key))) ?? {};
        if (size === undefined) throw new Error(`${address} has no shard ${key}`);
        return { key, sizeBytes: size };
      }),
    ),
  );
}

/** As anybody can who speaks the protocol, in a cluster without a secret. Its checksums are right. */
async function fillWithNoise({ address }: ServerProcess, shards: readonly ForeignShard[]): Promise<void> {
  await withShardsAt(address, async store => {
    await inParallel(shards, 8, async ({ key, sizeBytes }) => {
      await store.put(toObjectName(key), randomBytes(sizeBytes), {});
    });
  });
}

async function withShardsAt<T>(
  address: string,
  use: (store: ReturnType<RemoteStores['storeAt']>) => Promise<T>,
): Promise<T> {
  const stores = new RemoteStores();
  try {
    return await use(stores.storeAt(address, 'frames', { space: 'shards' }));
  } finally {
    stores.close();
  }
}

/** A data server that nobody expects. */
function intruder(env: Record<string, string>): ServerProcess {
  return new ServerProcess({
    program: 'data-server',
    name: 'intruder',
    env: { LISTEN_ADDRESS: `${loopback('3.2')}:12399`, ...env },
  });
}

async function idAt({ url }: ServerProcess): Promise<string> {
  return (JSON.parse((await get(`${url}/identity`)).body.toString()) as { serverId: string }).serverId;
}

async function isAt(api: string, id: string, { address }: ServerProcess): Promise<boolean> {
  return (await cluster.view(api)).some(server => server.id === id && server.address === address);
}

function rootOf(server: ServerProcess): string {
  return server.options.env['STORAGE_ROOT'] ?? '';
}

/** What asks for bytes, or would store some. */
function isOfBytes(request: string): boolean {
  return /^PUT|among-strangers/.test(request);
}

async function queuedRepairs(): Promise<number> {
  const stats = await get(`${cluster.api()}/stats`);
  return (JSON.parse(stats.body.toString()) as { queuedRepairs: number }).queuedRepairs;
}
