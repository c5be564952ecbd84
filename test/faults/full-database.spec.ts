import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBroker, type Broker } from '../../tools/broker.js';
import { ownPostgres, type Postgres } from '../../tools/postgres.js';
import type { Cluster } from '../harness/cluster.js';
import { startFullCluster } from '../harness/full-cluster.js';
import { del, get, problemCode, put, request, type Answer } from '../harness/http.js';
import { inParallel } from '../harness/in-parallel.js';
import { it } from '../harness/it.js';
import { heldUpMs } from '../harness/processes.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';

/** The deadline of 2 s, and what a busy machine adds to a timer; what it takes from an API server besides is measured. */
const ANSWER_MS = 2_500;
const RECOVERY_MS = 5_000;
const WRITERS = 8;

let broker: Broker;
let postgres: Postgres;
let cluster: Cluster;

beforeAll(async () => {
  [broker, postgres] = await Promise.all([startBroker(), ownPostgres()]);
  cluster = await startFullCluster({ brokerUrl: broker.url, apiEnv: { METADATA_URL: postgres.url } });
});
afterAll(async () => {
  await endAllServers();
  await postgres.stop();
  await broker.stop();
  removeTempDirectories();
});

describe('a full cluster whose database (row 30)', () => {
  const outages: [string, () => Promise<void>, () => Promise<void>][] = [
    ['is killed', () => postgres.kill(), () => postgres.restart()],
    ['hangs', () => postgres.pause(), () => postgres.resume()],
  ];
  for (const [what, begin, end] of outages) {
    it(`${what}: 503 within 2 s, readiness says so, right within 5 s of its return, nobody dies`, async () => {
      const name = what.replace(' ', '-');
      expect((await put(urlOf(name, 0), 'before')).status).toBe(200);
      await begin();
      for (const [index, api] of cluster.apis.entries()) {
        const heldUpBeforeMs = heldUpMs(api.pid);
        const large = put(urlOf(`${name}-large`, index), Buffer.alloc(1_000_000));
        const answers = [
          get(urlOf(name, index)),
          put(urlOf(name, index), 'meanwhile'),
          del(urlOf(`${name}-other`, index)),
          large,
        ];
        const unavailable = await Promise.all(answers);
        const allowedMs = ANSWER_MS + heldUpMs(api.pid) - heldUpBeforeMs;
        for (const answer of unavailable) expectUnavailable(answer, allowedMs);
        const ready = await request(`${cluster.api(index)}/health/ready`);
        expect([ready.status, ready.body.toString()]).toEqual([503, expect.stringContaining('metadata')]);
      }
      await end();
      await waitUntil('every API server is right again', RECOVERY_MS, async () => {
        const reads = await Promise.all([0, 1].map(index => get(urlOf(name, index))));
        return reads.every(({ status }) => status === 200);
      });
      expect(['before', 'meanwhile']).toContain((await get(urlOf(name, 0))).body.toString());
      for (const index of [0, 1]) {
        expect((await put(urlOf(name, index), `after ${index}`)).status).toBe(200);
        expect((await get(urlOf(name, index + 1))).body.toString()).toBe(`after ${index}`);
      }
      for (const server of [...cluster.apis, ...cluster.datas]) expect(server.isRunning).toBe(true);
    });
  }

  it('dies under writers: what was acknowledged is there, and a conditional PUT tried again commits once', async () => {
    const acknowledged = new Set<string>();
    const names: string[] = [];
    let isOver = false;
    const writers = Array.from({ length: WRITERS }, async (_, writer) => {
      for (let serial = 0; !isOver; serial++) {
        const name = `once-${writer}-${serial}`;
        names.push(name);
        if (await putOnce(name, writer)) acknowledged.add(name);
      }
    });
    try {
      await waitUntil('much is written', 30_000, () => acknowledged.size > 2 * WRITERS);
      await postgres.kill();
      await sleep(1_000);
      await postgres.restart();
      const before = acknowledged.size;
      await waitUntil('it is written again', 30_000, () => acknowledged.size > before + WRITERS);
    } finally {
      isOver = true;
      await Promise.all(writers);
    }

    await inParallel(names, WRITERS, async (name, index) => {
      const read = await get(`${cluster.api(index)}/objects/${name}`);
      expect([name, read.status, read.body.toString()]).toEqual([name, 200, name]);
      const listed = await get(`${cluster.api(index)}/versions/${name}`);
      const { versions } = JSON.parse(listed.body.toString()) as { versions: unknown[] };
      expect([name, versions.length]).toEqual([name, 1]);
    });
  });
});

function urlOf(name: string, api: number): string {
  return `${cluster.api(api)}/objects/${name}`;
}

/** Until it is decided: 200, or 412 if an earlier try had been committed. Whether the first answer acknowledged it. */
async function putOnce(name: string, writer: number): Promise<boolean> {
  for (let tries = 0; ; tries++) {
    const answer = await put(`${cluster.api(writer + tries)}/objects/${name}`, name, { 'If-None-Match': '*' });
    if (answer.status === 200) return tries === 0;
    if (answer.status === 412 && tries > 0) return false;
    if (answer.status !== 503 || tries > 100) throw new Error(`PUT ${name}: ${answer.status} after ${tries} tries`);
    await sleep(100);
  }
}

function expectUnavailable(answer: Answer, allowedMs: number): void {
  expect([answer.status, problemCode(answer)]).toEqual([503, 'metadata-unavailable']);
  expect(answer.ms).toBeLessThan(allowedMs);
}
