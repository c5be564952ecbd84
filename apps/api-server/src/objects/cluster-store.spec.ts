import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hashName, toObjectName, type ObjectName } from '#contracts';
import type { PutOptions, ShardStore } from '#storage';
import { ALL_ABILITIES, describeShardStore } from '#storage/testing';
import { MemoryCluster, settle, type TestApiServer } from '../testing/memory-cluster.js';

const NAME = toObjectName('photos/2026/cat.jpg');
const OLD = Buffer.from('old');
const NEW = Buffer.from('new');
const UNKNOWN = { code: 'data-server-unavailable' };

async function clusterOf(...ids: string[]): Promise<MemoryCluster> {
  const cluster = new MemoryCluster();
  for (const id of ids) await cluster.addServer(id);
  return cluster;
}

async function threeAndApi(options = {}): Promise<{ cluster: MemoryCluster; api: TestApiServer }> {
  const cluster = await clusterOf('a', 'b', 'c');
  return { cluster, api: await cluster.apiServer(options) };
}

function turnOf(apis: readonly TestApiServer[], index: number): ShardStore {
  const api = apis[index % apis.length];
  if (api === undefined) throw new Error('There is no API server.');
  return api.store;
}

async function read(store: ShardStore, name: ObjectName): Promise<string | undefined> {
  const reader = await store.open(name);
  if (reader === undefined) return undefined;
  const chunks: Buffer[] = [];
  await reader.copyTo(chunk => void chunks.push(Buffer.from(chunk)));
  await reader.close();
  return Buffer.concat(chunks).toString();
}

async function stream(store: ShardStore, name: ObjectName, bytes: Buffer, options: PutOptions = {}): Promise<void> {
  const writer = await store.create(name, options);
  await writer.write(bytes);
  await writer.commit();
}

describeShardStore(
  'ClusterStore over three memory stores',
  // All answer: a pause of this process is no reason to give them up.
  async () => ({ store: (await threeAndApi({ locateTimeoutMs: 60_000 })).api.store, dispose: async () => {} }),
  // It remembers every removal, asked or not.
  { ...ALL_ABILITIES, catalog: false, stamps: false },
);

describe('ClusterStore: where objects go', () => {
  it('writes and reads at the home, without any message', async () => {
    const { cluster, api } = await threeAndApi();
    await api.store.put(NAME, OLD, {});
    await api.store.put(NAME, NEW, {});
    expect(await read(api.store, NAME)).toBe('new');
    expect(cluster.holdersOf(NAME)).toEqual([api.rank(NAME)[0]]);
    expect(api.locates).toBe(0);
  });

  it('reads through every API server what was written through any', async () => {
    const { cluster, api } = await threeAndApi();
    const other = await cluster.apiServer();
    await stream(api.store, NAME, NEW);
    expect(await read(other.store, NAME)).toBe('new');
    expect(other.locates).toBe(0);
  });

  it('prefers any server of ours to a peer, and uses peers when there is none', async () => {
    const cluster = await clusterOf('a');
    const peer = await cluster.addPeer('10.0.0.9:80');
    const api = await cluster.apiServer();
    await api.store.put(NAME, NEW, {});
    expect(cluster.holdersOf(NAME)).toEqual(['a']);
    cluster.server('a').state = 'read-only';
    await cluster.server('a').beat();
    const other = toObjectName('other');
    await api.store.put(other, NEW, {});
    expect(cluster.holdersOf(other)).toEqual([peer.id]);
    expect(await read(api.store, other)).toBe('new');
    await expect(api.store.remove(other, {})).rejects.toMatchObject({ code: 'peer-cannot' });
  });
});

describe('ClusterStore: dead and hung servers', () => {
  it.each(['dead', 'hung'] as const)(
    'writes elsewhere when the home is %s, small and streamed alike',
    async condition => {
      const { api } = await threeAndApi();
      const home = api.choice(NAME, 0);
      home.condition = condition;
      await api.store.put(NAME, NEW, {});
      expect(api.choice(NAME, 1).memory.has(NAME)).toBe(true);
      expect(await read(api.store, NAME)).toBe('new');
      await stream(api.store, toObjectName('streamed'), NEW);
      expect(await read(api.store, toObjectName('streamed'))).toBe('new');
      const asked = home.requests;
      await api.store.put(NAME, NEW, {});
      expect(home.requests).toBe(asked);
    },
  );

  it('says 503, not 404, when the object may be at a server that is gone', async () => {
    const { cluster, api } = await threeAndApi();
    await api.store.put(NAME, NEW, {});
    api.choice(NAME, 0).condition = 'dead';
    await expect(read(api.store, NAME)).rejects.toMatchObject(UNKNOWN);
    await expect(api.store.stat(NAME)).rejects.toMatchObject(UNKNOWN);
    const other = await cluster.apiServer();
    await expect(read(other.store, NAME)).rejects.toMatchObject(UNKNOWN);
  });

  it('gives up a write after two servers that cannot be reached', async () => {
    const cluster = await clusterOf('a', 'b', 'c', 'd');
    const api = await cluster.apiServer();
    for (const server of cluster.servers.values()) server.condition = 'dead';
    await expect(api.store.put(NAME, NEW, {})).rejects.toMatchObject(UNKNOWN);
    expect([...cluster.servers.values()].reduce((sum, server) => sum + server.requests, 0)).toBe(2);
  });

  it('says which kind of nothing there is', async () => {
    const api = await new MemoryCluster().apiServer();
    await expect(api.store.put(NAME, NEW, {})).rejects.toMatchObject({ code: 'no-data-server' });
    await expect(read(api.store, NAME)).rejects.toMatchObject(UNKNOWN);
    await expect(api.store.remove(NAME, {})).rejects.toMatchObject({ code: 'no-data-server' });
  });

  it('reads a copy elsewhere while the home is away, and after it came back', async () => {
    const { api } = await threeAndApi();
    const home = api.choice(NAME, 0);
    home.condition = 'dead';
    await api.store.put(NAME, NEW, {});
    home.condition = 'up';
    await home.beat();
    expect(api.view.find(home.id)?.suspect).toBe(false);
    expect(await read(api.store, NAME)).toBe('new');
  });

  it('finds an object that moves home while it is looked for', async () => {
    const { cluster, api } = await threeAndApi();
    const [home, holder] = [api.choice(NAME, 0), api.choice(NAME, 1)];
    await holder.memory.put(NAME, NEW, { stamp: 5 });
    const locate = api.locate(NAME);
    await home.memory.put(NAME, NEW, { stamp: 5, move: { modifiedMs: 1 } });
    const result = read(api.store, NAME);
    await holder.memory.forget(hashName(NAME), 5);
    expect(await result).toBe('new');
    await locate;
    expect(cluster.holdersOf(NAME)).toEqual([home.id]);
  });
});

describe('ClusterStore: full servers', () => {
  it('writes to the next choice, and removes the older copy at the full home before it answers', async () => {
    const { cluster, api } = await threeAndApi();
    await api.store.put(NAME, OLD, {});
    const [home, next] = [api.choice(NAME, 0), api.choice(NAME, 1)];
    home.condition = 'full';
    const info = await api.store.put(NAME, NEW, {});
    expect(cluster.holdersOf(NAME)).toEqual([next.id]);
    expect(home.memory.entry(hashName(NAME))?.stamp).toBeLessThan(info.stamp);
    expect(await read((await cluster.apiServer()).store, NAME)).toBe('new');
  });

  it('does the same for a home that has said that it is read-only, also when streaming', async () => {
    const { cluster, api } = await threeAndApi();
    await api.store.put(NAME, OLD, {});
    const home = api.choice(NAME, 0);
    home.state = 'read-only';
    await home.beat();
    await stream(api.store, NAME, NEW);
    expect(cluster.holdersOf(NAME)).toEqual([api.choice(NAME, 1).id]);
    expect(await read(api.store, NAME)).toBe('new');
  });

  it('keeps the old object when the write to the next choice fails', async () => {
    const { api } = await threeAndApi();
    await api.store.put(NAME, OLD, {});
    api.choice(NAME, 0).condition = 'full';
    const writer = await api.store.create(NAME, { length: 10 });
    await writer.write(NEW);
    await expect(writer.commit()).rejects.toMatchObject({ code: 'body-incomplete' });
    await writer.abort();
    expect(await read(api.store, NAME)).toBe('old');
  });

  it('says 507 when all are full, and still reads and deletes', async () => {
    const { cluster, api } = await threeAndApi();
    await api.store.put(NAME, OLD, {});
    for (const server of cluster.servers.values()) server.condition = 'full';
    await expect(api.store.put(NAME, NEW, {})).rejects.toMatchObject({ code: 'storage-full' });
    for (const server of cluster.servers.values()) {
      server.state = 'read-only';
      await server.beat();
    }
    await expect(api.store.create(NAME, {})).rejects.toMatchObject({ code: 'storage-full' });
    expect(await read(api.store, NAME)).toBe('old');
    expect(await api.store.remove(NAME, {})).toMatchObject({ existed: true });
  });
});

describe('ClusterStore: conditions', () => {
  it('lets one of many that race to create an object win, through however many API servers', async () => {
    const { cluster, api } = await threeAndApi();
    const apis = [api, await cluster.apiServer(), await cluster.apiServer()];
    const results = await Promise.allSettled(
      Array.from({ length: 32 }, (_, index) =>
        turnOf(apis, index).put(NAME, Buffer.from(`${index}`), { precondition: { ifNoneMatch: '*' } }),
      ),
    );
    expect(results.filter(result => result.status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'precondition-failed' });
    }
    expect(cluster.holdersOf(NAME)).toHaveLength(1);
  });

  it('brings a misplaced copy home before it compares entity tags', async () => {
    const { cluster, api } = await threeAndApi();
    const [home, other] = [api.choice(NAME, 0), api.choice(NAME, 1)];
    const old = await other.memory.put(NAME, OLD, { stamp: 5, attributes: { contentType: 'text/plain' } });
    await expect(api.store.put(NAME, NEW, { precondition: { ifMatch: ['0'.repeat(64)] } })).rejects.toMatchObject({
      code: 'precondition-failed',
    });
    expect(await home.memory.stat(NAME)).toMatchObject({ etag: old.etag, stamp: 5, contentType: 'text/plain' });
    await api.store.put(NAME, NEW, { precondition: { ifMatch: [old.etag ?? ''] } });
    expect(await read((await cluster.apiServer()).store, NAME)).toBe('new');
  });

  it('refuses to create what a misplaced copy says exists, without moving anything', async () => {
    const { api } = await threeAndApi();
    const other = api.choice(NAME, 1);
    await other.memory.put(NAME, OLD, {});
    await expect(api.store.create(NAME, { precondition: { ifNoneMatch: '*' } })).rejects.toMatchObject({
      code: 'precondition-failed',
    });
    expect(api.choice(NAME, 0).memory.has(NAME)).toBe(false);
  });

  it('says 503 when it cannot tell whether the condition holds, rather than to let another server decide', async () => {
    const { cluster, api } = await threeAndApi();
    const home = api.choice(NAME, 0);
    home.condition = 'dead';
    const create = { precondition: { ifNoneMatch: '*' } } as const;
    await expect(api.store.put(NAME, NEW, create)).rejects.toMatchObject(UNKNOWN);
    await expect(api.store.put(NAME, NEW, create)).rejects.toMatchObject(UNKNOWN);
    await expect(api.store.remove(NAME, { precondition: { ifMatch: '*' } })).rejects.toMatchObject(UNKNOWN);
    expect(cluster.holdersOf(NAME)).toEqual([]);
  });
});

describe('ClusterStore: deletes', () => {
  it('removes every copy, and its home remembers', async () => {
    const { cluster, api } = await threeAndApi();
    for (const server of cluster.servers.values()) await server.memory.put(NAME, OLD, {});
    const { existed, stamp } = await api.store.remove(NAME, {});
    expect(existed).toBe(true);
    expect(cluster.holdersOf(NAME)).toEqual([]);
    expect(api.choice(NAME, 0).memory.entry(hashName(NAME))).toMatchObject({ removed: true, stamp });
  });

  it('remembers at the home what was only elsewhere, and what was nowhere', async () => {
    const { api } = await threeAndApi();
    const [home, other] = [api.choice(NAME, 0), api.choice(NAME, 1)];
    await other.memory.put(NAME, OLD, {});
    expect(await api.store.remove(NAME, {})).toMatchObject({ existed: true });
    expect(await api.store.remove(NAME, {})).toMatchObject({ existed: false });
    expect(home.memory.entry(hashName(NAME))?.removed).toBe(true);
  });

  it('remembers elsewhere while the home is away, and says 503 if nobody had the object', async () => {
    const { api } = await threeAndApi();
    const [home, next] = [api.choice(NAME, 0), api.choice(NAME, 1)];
    await home.memory.put(NAME, OLD, {});
    home.condition = 'dead';
    await expect(api.store.remove(NAME, {})).rejects.toMatchObject(UNKNOWN);
    expect(next.memory.entry(hashName(NAME))?.removed).toBe(true);
  });

  it('outlasts copies whose stamps are ahead of its clock', async () => {
    const { api } = await threeAndApi();
    const ahead = (Date.now() + 3_600_000) * 1024;
    await api.choice(NAME, 1).memory.put(NAME, OLD, { stamp: ahead });
    const { stamp } = await api.store.remove(NAME, {});
    expect(stamp).toBeGreaterThan(ahead);
    expect((await api.store.put(NAME, NEW, {})).stamp).toBeGreaterThan(stamp);
  });
});

describe('ClusterStore: versions', () => {
  it('never lets a later write carry an earlier stamp, wherever the wall clocks of the API servers jump', async () => {
    const { cluster, api } = await threeAndApi();
    const other = await cluster.apiServer();
    let stamp = 0;
    for (const jumpMs of [0, 3_600_000, -3_600_000, 1]) {
      cluster.wallNowMs = () => Date.now() + jumpMs;
      for (const { store } of [api, other]) {
        const info = await store.put(NAME, NEW, {});
        expect(info.stamp).toBeGreaterThan(stamp);
        stamp = info.stamp;
      }
    }
  });

  it('reads the newest through two API servers, whatever they do in turns, while servers fill up and empty', async () => {
    const step = fc.record({
      api: fc.nat(1),
      name: fc.constantFrom(...['x', 'y/z', 'ü'].map(toObjectName)),
      action: fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom('put', 'stream', 'create', 'delete', 'read') },
        { weight: 1, arbitrary: fc.constantFrom('fill', 'empty') },
      ),
      server: fc.constantFrom('a', 'b', 'c'),
    });
    // Once read in the older version: two copies away from home, and a locate that took the first answer.
    const twoAwayFromHome = (
      [
        ['fill', 'b'],
        ['fill', 'c'],
        ['put', 'a'],
        ['empty', 'b'],
        ['put', 'a'],
      ] as const
    ).map(([action, server]) => ({ api: 0, name: toObjectName('y/z'), action, server }));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
        const cluster = await clusterOf('a', 'b', 'c');
        const api = await cluster.apiServer({ locateTimeoutMs: 5000 });
        const apis = [api, await cluster.apiServer({ locateTimeoutMs: 5000 })];
        const model = new Map<ObjectName, string>();
        for (const [index, { api: which, name, action, server }] of steps.entries()) {
          const store = turnOf(apis, which);
          const text = `version ${index}`;
          const isFull = [...cluster.servers.values()].every(each => each.condition === 'full');
          if (action === 'fill') cluster.server(server).condition = 'full';
          else if (action === 'empty') cluster.server(server).condition = 'up';
          else if (action === 'delete') expect((await store.remove(name, {})).existed).toBe(model.delete(name));
          else if (action !== 'read' && !isFull) await write(store, action, name, text, model);
          for (const each of apis) expect(await read(each.store, name)).toBe(model.get(name));
        }
      }),
      { numRuns: 60, examples: [[twoAwayFromHome]] },
    );
  });

  it('leaves one version of those that race, the same for everybody', async () => {
    const { cluster, api } = await threeAndApi();
    const apis = [api, await cluster.apiServer()];
    await Promise.all(
      Array.from({ length: 32 }, (_, index) => turnOf(apis, index).put(NAME, Buffer.from(`${index}`), {})),
    );
    await settle();
    const seen = await Promise.all(apis.flatMap(({ store }) => [read(store, NAME), read(store, NAME)]));
    expect(new Set(seen).size).toBe(1);
    expect(cluster.holdersOf(NAME)).toHaveLength(1);
  });
});

async function write(
  store: ShardStore,
  action: string,
  name: ObjectName,
  text: string,
  model: Map<ObjectName, string>,
): Promise<void> {
  const bytes = Buffer.from(text);
  if (action === 'create' && model.has(name)) {
    const creation = store.put(name, bytes, { precondition: { ifNoneMatch: '*' } });
    return expect(creation).rejects.toMatchObject({ code: 'precondition-failed' });
  }
  if (action === 'create') await store.put(name, bytes, { precondition: { ifNoneMatch: '*' } });
  else if (action === 'stream') await stream(store, name, bytes);
  else await store.put(name, bytes, {});
  model.set(name, text);
}
