import { afterAll, describe, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { get, put, request } from '../harness/http.js';
import { it } from '../harness/it.js';
import { endAllServers } from '../harness/server-process.js';
import { startSingleNode } from '../harness/single-node.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { describeObjectApi, MAX_BYTES } from './object-api.js';

const env = { MAX_OBJECT_SIZE_BYTES: String(MAX_BYTES) };

afterAll(async () => {
  await endAllServers();
  removeTempDirectories();
});

describeObjectApi('single node', async () => {
  const server = await startSingleNode({ env });
  return { url: server.url, stop: async () => void (await server.stop()) };
});

describe('a single node', () => {
  it('finds every object again after a restart, and forgets no deletion', async () => {
    const server = await startSingleNode();
    const objects = new Map(
      [0, 10, 70_000, 2_000_000].map(size => [`${server.url}/objects/kept-${size}`, randomBytes(size)]),
    );
    for (const [url, bytes] of objects) await put(url, bytes);
    const before = new Map<string, string | undefined>();
    for (const url of objects.keys()) before.set(url, (await get(url)).headers['last-modified']);
    await put(`${server.url}/objects/gone`, 'x');
    await request(`${server.url}/objects/gone`, { method: 'DELETE' });

    await server.restart();
    for (const [url, bytes] of objects) {
      const read = await get(url);
      expect(read.body.equals(bytes)).toBe(true);
      expect(read.headers['last-modified']).toBe(before.get(url));
    }
    expect((await get(`${server.url}/objects/gone`)).status).toBe(404);
    await server.stop();
  });

  it('locates what it has at its own address', async () => {
    const server = await startSingleNode();
    await put(`${server.url}/objects/a%2Fb`, 'x');
    const here = await get(`${server.url}/locate/a/b`);
    expect([here.status, here.body.toString()]).toEqual([200, JSON.stringify(server.address)]);
    expect(JSON.parse((await get(`${server.url}/locate/a/b?all`)).body.toString())).toEqual([server.address]);
    expect((await get(`${server.url}/locate/missing`)).status).toBe(404);
    await server.stop();
  });

  it('has no view of a cluster', async () => {
    const server = await startSingleNode();
    expect((await get(`${server.url}/cluster`)).status).toBe(404);
    await server.stop();
  });
});
