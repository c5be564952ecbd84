import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBroker, type Broker } from '../../tools/broker.js';
import type { Cluster } from '../harness/cluster.js';
import { startFullCluster } from '../harness/full-cluster.js';
import { it } from '../harness/it.js';
import { findContradiction } from '../harness/linearizability.js';
import { SeededRandom } from '../harness/seeded-random.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';
import { RecordedHistory } from './record-history.js';

const CLIENTS = 8;
const NAMES = 6;
/** Each with names of its own, since the search for an order takes longer the longer a history is. */
const ROUNDS = 7;
const ANSWERS_A_ROUND = 100;
const random = new SeededRandom();
let broker: Broker;
let cluster: Cluster;

beforeAll(async () => {
  console.log(`seed ${random.seed}`);
  broker = await startBroker();
  cluster = await startFullCluster({ brokerUrl: broker.url });
});
afterAll(async () => {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
});

/**
 * Rows 31 and 33, with servers killed meanwhile: all that was answered must have an order in which it could
 * have happened, one after the other. A lost update, an old read after a new one or a delete that came undone has none.
 */
describe('what clients see of one name', () => {
  it('has an order, while servers of both kinds are killed and come back', async () => {
    let answered = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const names = Array.from({ length: NAMES }, (_, index) => `round-${round}-name-${index}`);
      const history = new RecordedHistory(names, random);
      await withKills(history);
      for (const [name, operations] of history.operations) {
        expect([name, findContradiction(operations)]).toEqual([name, undefined]);
      }
      expect(history.torn).toEqual([]);
      answered += history.answered;
    }
    console.log(`${answered} answers`);
    expect(answered).toBeGreaterThanOrEqual(ROUNDS * ANSWERS_A_ROUND);
  }, 300_000);
});

/** One API server or none dies, and one or two data servers, at moments of their own. */
async function withKills(history: RecordedHistory): Promise<void> {
  let isOver = false;
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    while (!isOver) {
      await history.step(cluster.api(client));
      // Who is refused does not knock on as fast as it can.
      await sleep(cluster.apis[client % cluster.apis.length]?.isRunning === true ? 5 : 100);
    }
  });
  const victims = [
    ...random.sample(cluster.apis, random.below(2)),
    ...random.sample(cluster.datas, 1 + random.below(2)),
  ];
  for (const victim of victims) {
    await sleep(300 + random.below(500));
    await victim.kill();
  }
  await sleep(500);
  for (const victim of victims) victim.start();
  await cluster.ready();
  await sleep(300);
  await waitUntil('enough was answered', 30_000, () => history.answered >= ANSWERS_A_ROUND);
  isOver = true;
  await Promise.all(clients);
}
