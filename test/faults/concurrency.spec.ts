import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { startBroker, type Broker } from '../../tools/broker.js';
import { Cluster } from '../harness/cluster.js';
import { del, get, problemCode, put } from '../harness/http.js';
import { it } from '../harness/it.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';

const SIZES = [100, 100_000];
const VERSIONS = 60;
let broker: Broker;
let cluster: Cluster;

beforeAll(async () => {
  broker = await startBroker();
  cluster = await Cluster.start({ brokerUrl: broker.url });
});
afterAll(async () => {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
});

describe('many clients at one name', () => {
  it('32 PUTs at once (row 31): one body on every later read, at every API server', async () => {
    for (const size of SIZES) {
      for (let round = 0; round < 5; round++) {
        const url = `/objects/at-once-${size}-${round}`;
        const bodies = Array.from({ length: 32 }, (_, index) => `body ${index} `.padEnd(size, String(index % 10)));
        const stored = await Promise.all(bodies.map((body, index) => put(`${cluster.api(index)}${url}`, body)));
        expect(stored.map(({ status }) => status)).toEqual(bodies.map(() => 200));
        const reads = await Promise.all(bodies.map((_, index) => get(`${cluster.api(index)}${url}`)));
        const seen = new Set(reads.map(({ body }) => body.toString()));
        expect(seen.size).toBe(1);
        expect(bodies).toContain([...seen][0]);
      }
    }
  });

  it('32 × If-None-Match: * (row 32): one 200, the rest 412', async () => {
    for (const size of SIZES) {
      for (let round = 0; round < 5; round++) {
        const url = `/objects/first-${size}-${round}`;
        const answers = await Promise.all(
          Array.from({ length: 32 }, (_, index) =>
            put(`${cluster.api(index)}${url}`, `body ${index} `.padEnd(size, '.'), { 'If-None-Match': '*' }),
          ),
        );
        const winners = answers.flatMap(({ status }, index) => (status === 200 ? [index] : []));
        expect(winners).toHaveLength(1);
        const losers = answers.filter(({ status }) => status !== 200);
        expect(new Set(losers.map(problemCode))).toEqual(new Set(['precondition-failed']));
        expect((await get(`${cluster.api()}${url}`)).body.toString()).toMatch(new RegExp(`^body ${winners[0]} `));
      }
    }
  });

  it('32 × If-Match with one entity tag: one 200, the rest 412', async () => {
    const url = '/objects/compare-and-set';
    for (let round = 0; round < 5; round++) {
      const { etag = '' } = (await put(`${cluster.api()}${url}`, `start ${round}`)).headers;
      const answers = await Promise.all(
        Array.from({ length: 32 }, (_, index) =>
          put(`${cluster.api(index)}${url}`, `round ${round} body ${index}`, { 'If-Match': etag }),
        ),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 412)).toHaveLength(31);
    }
  });

  it('PUT races DELETE (row 33): afterwards all agree, and what was answered last holds', async () => {
    for (let round = 0; round < 40; round++) {
      const url = `/objects/raced-${round}`;
      await put(`${cluster.api()}${url}`, 'before');
      const [stored, removed] = await Promise.all([
        put(`${cluster.api(round)}${url}`, 'after'),
        del(`${cluster.api(round + 1)}${url}`),
      ]);
      expect([stored.status, removed.status]).toEqual([200, 204]);
      const reads = await Promise.all([0, 1, 0, 1].map(index => get(`${cluster.api(index)}${url}`)));
      expect(new Set(reads.map(({ status, body }) => (status === 200 ? body.toString() : status))).size).toBe(1);
      if (reads[0]?.status === 200) expect(reads[0].body.toString()).toBe('after');
      else expect(reads[0]?.status).toBe(404);
    }
  });

  it('GET during overwrites (row 33): old or new, whole, and never back to the old', async () => {
    for (const size of [1_000, 300_000]) {
      const url = `/objects/overwritten-${size}`;
      const body = (version: number) =>
        String(version)
          .padStart(8, '0')
          .repeat(size / 8);
      await put(`${cluster.api()}${url}`, body(0));
      let acknowledged = 0;
      const writer = (async () => {
        for (let version = 1; version <= VERSIONS; version++) {
          expect((await put(`${cluster.api(version)}${url}`, body(version))).status).toBe(200);
          acknowledged = version;
        }
      })();
      const readers = Array.from({ length: 4 }, async (_, index) => {
        for (let version = 0; version < VERSIONS;) {
          const atLeast = acknowledged;
          const read = await get(`${cluster.api(index)}${url}`);
          expect(read.status).toBe(200);
          version = Number(read.body.toString('latin1', 0, 8));
          expect(read.body.toString() === body(version)).toBe(true);
          expect(version).toBeGreaterThanOrEqual(atLeast);
        }
      });
      await Promise.all([writer, ...readers]);
    }
  });
});
