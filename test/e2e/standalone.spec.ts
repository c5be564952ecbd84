import { afterAll, describe, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { viewOf } from '../harness/cluster.js';
import { HOT_BLOB_CACHE } from '../harness/full-cluster.js';
import { get, problemCode, put } from '../harness/http.js';
import { it } from '../harness/it.js';
import { endAllServers } from '../harness/server-process.js';
import { startStandalone } from '../harness/standalone.js';
import { removeTempDirectories, tempDirectory } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';
import { describeObjectApi, MAX_BYTES } from './object-api.js';

afterAll(async () => {
  await endAllServers();
  removeTempDirectories();
});

describeObjectApi('standalone', async () => {
  const server = await startStandalone({ env: { MAX_OBJECT_SIZE_BYTES: String(MAX_BYTES), ...HOT_BLOB_CACHE } });
  return { url: server.url, stop: async () => void (await server.stop()) };
});

describe('standalone', () => {
  it('without metadata is a plain cluster: six data servers with addresses, found by locate and by HTTP', async () => {
    const server = await startStandalone({ env: { METADATA_URL: 'none' } });
    // It serves from the first that is ready on.
    let view: Awaited<ReturnType<typeof viewOf>> = [];
    await waitUntil('all are ready', 20_000, async () => {
      view = await viewOf(server.url);
      return view.filter(({ state }) => state === 'ready').length === 6;
    });
    expect(view).toHaveLength(6);
    await put(`${server.url}/objects/found`, 'x');
    const address = JSON.parse((await get(`${server.url}/locate/found`)).body.toString()) as string;
    expect(view.map(data => data.address)).toContain(address);
    const direct = await get(`http://${address}/objects/found`);
    expect([direct.status, problemCode(direct)]).toEqual([401, 'unauthorized']);
    expect((await get(`http://${address}/health/live`)).status).toBe(200);
    await server.stop();
  });

  it('stops cleanly on Ctrl-C, and a second start finds every object again', async () => {
    const root = tempDirectory('standalone');
    const directories = ['a', 'b', 'c'].map(name => join(root, name));
    const server = await startStandalone({ directories });
    const objects = new Map(
      Array.from({ length: 30 }, (_, index) => [`${server.url}/objects/kept-${index}`, randomBytes(index * 9_000)]),
    );
    for (const [url, bytes] of objects) expect((await put(url, bytes)).status).toBe(200);
    expect(directories.map(directory => existsSync(directory))).toEqual([true, true, true]);

    const { code, ms } = await server.stop('SIGINT');
    expect(code).toBe(0);
    expect(ms).toBeLessThan(10_000);
    server.start();
    await server.ready();
    for (const [url, bytes] of objects) expect((await get(url)).body.equals(bytes)).toBe(true);
    await server.stop();
  });
});
