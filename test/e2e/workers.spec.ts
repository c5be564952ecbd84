import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { startBroker, type Broker } from '../../tools/broker.js';
import { Cluster } from '../harness/cluster.js';
import { get, put } from '../harness/http.js';
import { it } from '../harness/it.js';
import { childrenOf, isAlive } from '../harness/processes.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';

let broker: Broker;

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(async () => {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
});

describe('an API server of two worker processes', () => {
  it('serves as one, replaces a worker that dies, and stops as one', async () => {
    const cluster = await Cluster.start({
      brokerUrl: broker.url,
      apiServers: 1,
      dataServers: 2,
      apiEnv: { WORKERS: '2' },
    });
    const [api] = cluster.apis;
    if (api === undefined) throw new Error('no API server');
    await eachWorkerServes(api.url);
    for (let index = 0; index < 40; index++) {
      expect((await put(`${api.url}/objects/shared`, `version ${index}`)).status).toBe(200);
      expect((await get(`${api.url}/objects/shared`)).body.toString()).toBe(`version ${index}`);
    }

    const workers = childrenOf(api.pid);
    expect(workers).toHaveLength(2);
    process.kill(workers[0] ?? 0, 'SIGKILL');
    await waitUntil('there are two workers again', 10_000, () => {
      const now = childrenOf(api.pid);
      return now.length === 2 && !now.includes(workers[0] ?? 0);
    });
    await eachWorkerServes(api.url);
    expect((await get(`${api.url}/objects/shared`)).status).toBe(200);

    const last = childrenOf(api.pid);
    const { code } = await api.stop();
    expect(code).toBe(0);
    expect(last.filter(isAlive)).toEqual([]);
    await cluster.stop();
  });
});

/** Every worker has a view of its own, and connections go to them in turn. */
async function eachWorkerServes(url: string): Promise<void> {
  await waitUntil('every worker serves', 20_000, async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => put(`${url}/objects/probe`, 'x')));
    return answers.every(({ status }) => status === 200);
  });
}
