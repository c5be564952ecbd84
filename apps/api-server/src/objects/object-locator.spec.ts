import { describe, expect, it } from '@jest/globals';
import { toObjectName } from '#contracts';
import { MemoryCluster, type TestApiServer } from '../testing/memory-cluster.js';
import { objectLocator } from './object-locator.js';

const NAME = toObjectName('a/name');
const BYTES = Buffer.from('bytes');

async function start(): Promise<{ cluster: MemoryCluster; api: TestApiServer }> {
  const cluster = new MemoryCluster();
  for (const id of ['a', 'b', 'c']) await cluster.addServer(id);
  return { cluster, api: await cluster.apiServer() };
}

describe('the locator of a plain cluster', () => {
  it('finds what is at home without a message, also without the bus', async () => {
    const { api } = await start();
    const home = api.choice(NAME, 0);
    await home.memory.put(NAME, BYTES, {});
    expect(await objectLocator(api.objects).locate(NAME)).toBe(home.address);
    await api.bus.close();
    expect(await objectLocator(api.objects).locate(NAME)).toBe(home.address);
    expect(api.locates).toBe(0);
  });

  it('asks everybody for what is elsewhere, or nowhere', async () => {
    const { api } = await start();
    const locator = objectLocator(api.objects);
    expect(await locator.locate(NAME)).toBeUndefined();
    const stray = api.choice(NAME, 2);
    await stray.memory.put(NAME, BYTES, {});
    expect(await locator.locate(NAME)).toBe(stray.address);
    expect(api.locates).toBe(2);
  });

  it('asks everybody while the home cannot be reached, and says when it cannot tell', async () => {
    const { api } = await start();
    const locator = objectLocator(api.objects);
    api.choice(NAME, 0).condition = 'hung';
    await expect(locator.locate(NAME)).rejects.toMatchObject({ code: 'data-server-unavailable' });
    const stray = api.choice(NAME, 2);
    await stray.memory.put(NAME, BYTES, {});
    expect(await locator.locate(NAME)).toBe(stray.address);
  });

  it('does not read a peer to find out', async () => {
    const cluster = new MemoryCluster();
    const peer = await cluster.addPeer('10.0.0.9:80');
    const api = await cluster.apiServer();
    await peer.memory.put(NAME, BYTES, {});
    expect(await objectLocator(api.objects).locate(NAME)).toBe(peer.address);
    expect([api.locates, peer.requests]).toEqual([1, 0]);
  });

  it('names all with ?all, by asking', async () => {
    const { api } = await start();
    const [home, other] = [api.choice(NAME, 0), api.choice(NAME, 1)];
    await home.memory.put(NAME, BYTES, { stamp: 5 });
    await other.memory.put(NAME, BYTES, { stamp: 9 });
    expect(await objectLocator(api.objects).locateAll(NAME)).toEqual([other.address, home.address]);
    expect(api.locates).toBe(1);
  });
});
