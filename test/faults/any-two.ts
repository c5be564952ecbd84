/**
 * `npm run faults:any-two -- [--objects 1000]`: six data servers, so many objects of 4 KiB and as many of
 * 1 MiB; each of the 15 pairs of servers is killed, and every object read. Then bits are flipped all over
 * the shards of two servers, and every object read again.
 */
import { parseArgs } from 'node:util';
import { startBroker } from '../../tools/broker.js';
import { startFullCluster } from '../harness/full-cluster.js';
import { KnownObjects } from '../harness/known-objects.js';
import { SeededRandom } from '../harness/seeded-random.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { damageShards } from './damage-shards.js';
import { allPairs, LARGE_BYTES, loseAnyTwo, SMALL_BYTES } from './lose-any-two.js';

const { values } = parseArgs({ options: { objects: { type: 'string', default: '1000' }, seed: { type: 'string' } } });
const random = new SeededRandom(values.seed === undefined ? undefined : Number(values.seed));
console.log(`seed ${random.seed}`);
const broker = await startBroker();
try {
  const cluster = await startFullCluster({ brokerUrl: broker.url });
  const objects = new KnownObjects(cluster);
  await objects.store('small', Number(values.objects), SMALL_BYTES);
  await objects.store('large', Number(values.objects), LARGE_BYTES);
  console.log(`${objects.digests.size} objects; ${objects.retried} were stored again to have all shards at once`);
  const lost = await loseAnyTwo(cluster, objects, allPairs(cluster.datas), line => console.log(line));
  const flips = random.sample(cluster.datas, 2).map(server => damageShards(server, random));
  const wrong = await objects.compare();
  const failures = [...lost.failures, ...wrong];
  console.log(failures.slice(0, 20).join('\n'));
  console.log(
    `${lost.pairs} pairs killed: ${lost.reads} reads and ${lost.writes} writes, ${lost.failures.length} failed; ` +
      `${flips.join(' and ')} bits flipped at two servers: ${objects.digests.size} reads, ${wrong.length} failed`,
  );
  process.exitCode = failures.length === 0 ? 0 : 1;
} finally {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
}
