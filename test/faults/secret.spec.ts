/**
 * A cluster with a secret: rows 29 and 46 of the fault list, and that such a cluster works like any other.
 * Each test fails if a stranger is believed once, or a server of the cluster is not.
 */
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo } from 'node:net';
import { connect as connectBroker } from 'amqplib';
import { RequestSigner, ClusterSecret } from '#secret';
import { startBroker, type Broker } from '../../tools/broker.js';
import { apiServer, Cluster, dataServer } from '../harness/cluster.js';
import { del, get, problemCode, put, request, type Answer } from '../harness/http.js';
import { it } from '../harness/it.js';
import { loopback } from '../harness/lane.js';
import { endAllServers } from '../harness/server-process.js';
import { removeTempDirectories } from '../harness/temp-directory.js';
import { waitUntil } from '../harness/wait-until.js';

const SECRET = randomBytes(32).toString('hex');
const OTHER_SECRET = randomBytes(32).toString('hex');
/** Over HTTP in one piece, streamed, and in a file of its own. */
const SIZES = [0, 1, 3000, 64 * 1024, 64 * 1024 + 1, 3_000_000];

let broker: Broker;
let cluster: Cluster;

beforeAll(async () => {
  broker = await startBroker();
  cluster = await Cluster.start({
    brokerUrl: broker.url,
    dataServers: 3,
    env: { CLUSTER_SECRET: SECRET, LOG_FORMAT: 'json' },
  });
});
afterAll(async () => {
  await endAllServers();
  await broker.stop();
  removeTempDirectories();
});

describe('a cluster with a secret', () => {
  it('stores, serves, locates and deletes, small and large', async () => {
    for (const size of SIZES) {
      const body = randomBytes(size);
      const name = `objects/size/${size}`;
      expect((await put(`${cluster.api(0)}/${name}`, body)).status).toBe(200);
      const read = await get(`${cluster.api(1)}/${name}`);
      expect([read.status, read.body.equals(body)]).toEqual([200, true]);
      expect((await get(`${cluster.api(1)}/locate/size%2F${size}`)).status).toBe(200);
      if (size > 10) {
        const part = await get(`${cluster.api(1)}/${name}`, { Range: 'bytes=5-9' });
        expect([part.status, part.body]).toEqual([206, body.subarray(5, 10)]);
      }
      expect((await del(`${cluster.api(1)}/${name}`)).status).toBe(204);
      const gone = await get(`${cluster.api(0)}/${name}`);
      expect([gone.status, problemCode(gone)]).toEqual([404, 'object-not-found']);
    }
  });

  it('moves copies home, to a server that comes', async () => {
    const bodies = new Map(Array.from({ length: 40 }, (_, index) => [`moving-${index}`, randomBytes(2000 * index)]));
    for (const [name, body] of bodies) expect((await put(`${cluster.api()}/objects/${name}`, body)).status).toBe(200);
    const newcomer = await dataServer(cluster.options, 3);
    await newcomer.ready();
    for (const api of cluster.apis) await cluster.sees(api.url, [newcomer.address]);
    await waitUntil('the newcomer has its share', 30_000, async () => {
      const metrics = (await get(`${newcomer.url}/metrics`)).body.toString();
      return Number(/^granary_storage_objects (\d+)/m.exec(metrics)?.[1] ?? 0) > 3;
    });
    for (const [name, body] of bodies) expect((await get(`${cluster.api(1)}/objects/${name}`)).body).toEqual(body);
    const { id } = (await cluster.view()).find(({ address }) => address === newcomer.address) ?? {};
    await newcomer.stop();
    // What an operator says goes over the bus, signed.
    await waitUntil('all have forgotten it', 30_000, async () => {
      const views = await Promise.all(cluster.apis.map(api => cluster.view(api.url)));
      if (views.every(view => view.length === 3)) return true;
      await del(`${cluster.api()}/cluster/servers/${id}`);
      return false;
    });
  });

  it('goes on when its servers have started again', async () => {
    const body = randomBytes(100_000);
    await put(`${cluster.api()}/objects/stays`, body);
    for (const data of cluster.datas) {
      await data.restart();
      await cluster.ready();
      expect((await get(`${cluster.api(0)}/objects/stays`)).body).toEqual(body);
      expect((await put(`${cluster.api(1)}/objects/stays-too`, body)).status).toBe(200);
    }
  });
});

describe('a data server (row 46)', () => {
  it('refuses requests without a signature: 401, an audit line, nothing done', async () => {
    await put(`${cluster.api()}/objects/guarded`, 'kept');
    const holder = await cluster.holder('guarded');
    const attempts: [string, string][] = [
      ['GET', '/objects/guarded'],
      ['HEAD', '/objects/guarded'],
      ['PUT', '/objects/guarded'],
      ['DELETE', '/objects/guarded'],
      ['GET', '/locate/guarded'],
      ['POST', '/internal/reconcile'],
      ['GET', '/identity'],
      ['GET', '/docs'],
      ['GET', '/nowhere'],
      ['GET', '/health/live?x'],
    ];
    for (const [method, path] of attempts) {
      const answer = await request(holder.url + path, { method, headers: { 'X-Request-Id': 'attempt' } });
      expect([method, path, answer.status]).toEqual([method, path, 401]);
      if (method !== 'HEAD') expect(problemCode(answer)).toBe('unauthorized');
      expect(answer.headers['www-authenticate']).toMatch(/^Granary challenge="/);
      expect(answer.headers['granary-proof']).toBeUndefined();
    }
    await audited(holder.log, 'unsigned', attempts.length);
    expect(auditLines(holder.log, 'unsigned')[3]).toMatchObject({ method: 'DELETE', path: '/objects/guarded' });
    for (const path of ['/health/live', '/health/ready', '/metrics']) {
      expect((await get(holder.url + path)).status).toBe(200);
    }
    expect((await get(`${cluster.api()}/objects/guarded`)).body.toString()).toBe('kept');
  });

  it('refuses a large upload before it is sent', async () => {
    const [data] = cluster.datas;
    const answer = await put(`${data?.url}/objects/large`, Buffer.alloc(3_000_000), { Expect: '100-continue' });
    expect(answer.status).toBe(401);
  });

  it('refuses the wrong secret, and what it has had once', async () => {
    const holder = await cluster.holder('guarded');
    const wrong = new Client(holder.address, OTHER_SECRET);
    const right = new Client(holder.address, SECRET);
    expect((await wrong.send('GET', '/objects/guarded')).status).toBe(401);
    expect((await wrong.send('DELETE', '/objects/guarded')).status).toBe(401);
    const first = await right.send('DELETE', '/objects/none-such');
    expect(first.status).toBe(401);
    const taken = await right.send('DELETE', '/objects/none-such');
    expect(taken.status).toBe(404);
    for (let times = 0; times < 3; times += 1) {
      expect((await right.sendAgain()).status).toBe(401);
    }
    // The signature of one request on another.
    expect((await right.sendAgain('/objects/guarded')).status).toBe(401);
    await audited(holder.log, 'replayed', 3);
    // The other secret's (after its greeting), and the signature of one request on another.
    await audited(holder.log, 'wrong-signature', 2);
    expect((await get(`${cluster.api()}/objects/guarded`)).body.toString()).toBe('kept');
  });

  it('of another secret is not believed, believes nobody, and says why', async () => {
    const before = (await cluster.view()).length;
    const odd = await dataServer({ ...cluster.options, env: { CLUSTER_SECRET: OTHER_SECRET, LOG_FORMAT: 'json' } }, 8);
    await waitUntil('it says so', 30_000, async () => odd.log.some(line => line.includes('another CLUSTER_SECRET')));
    await put(`${cluster.api()}/objects/not-there`, 'x');
    expect((await cluster.view()).map(({ address }) => address)).not.toContain(odd.address);
    expect(await cluster.view()).toHaveLength(before);
    await odd.stop();

    const secretless = await apiServer({ brokerUrl: broker.url }, 8);
    await waitUntil('it serves', 30_000, async () => (await get(`${secretless.url}/health/live`)).status === 200);
    // Its log comes through a pipe.
    await waitUntil('it warns', 10_000, () => secretless.log.join('\n').includes('CLUSTER_SECRET is not set'));
    // It hears the beats, as anybody may, but no data server answers it.
    const read = await get(`${secretless.url}/objects/guarded`);
    expect(read.status).toBe(503);
    await secretless.stop();
  });
});

describe('on the bus (row 29)', () => {
  it('strangers are not heard: heartbeats, answers, control messages', async () => {
    await put(`${cluster.api()}/objects/mine`, 'genuine');
    const seen: string[] = [];
    const stranger = createServer((incoming: IncomingMessage, response) => {
      seen.push(`${incoming.method} ${incoming.url}`);
      incoming.resume();
      response.end('bytes of a stranger');
    });
    await new Promise<void>(resolve => stranger.listen(0, loopback('9.9'), resolve));
    const address = `${loopback('9.9')}:${(stranger.address() as AddressInfo).port}`;
    const connection = await connectBroker(broker.url);
    const channel = await connection.createChannel();

    // It records what the others say, and says it again as its own.
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, 'apiServers', '');
    await channel.bindQueue(queue, 'dataServers', '');
    await channel.consume(
      queue,
      message => {
        if (message === null) return;
        const { replyTo, correlationId, headers } = message.properties;
        const body = Buffer.from(JSON.stringify(address));
        if (replyTo) channel.publish('', String(replyTo), body, { correlationId, headers: headers ?? {} });
        else if (!message.content.equals(body)) channel.publish('apiServers', '', body, { headers: headers ?? {} });
      },
      { noAck: true },
    );
    const beat = setInterval(() => channel.publish('apiServers', '', Buffer.from(JSON.stringify(address))), 100);
    const [member] = await cluster.view();
    channel.publish('granary.control', '', Buffer.from(JSON.stringify(`forget ${member?.id}`)));

    for (let index = 0; index < 50; index += 1) {
      expect((await put(`${cluster.api(index)}/objects/among-strangers-${index}`, 'genuine')).status).toBe(200);
      expect((await get(`${cluster.api(index)}/objects/nowhere-${index}`)).status).toBe(404);
      expect((await get(`${cluster.api(index + 1)}/objects/among-strangers-${index}`)).body.toString()).toBe('genuine');
    }
    await waitUntil('beats have been recorded', 12_000, async () => {
      return /granary_messages_refused_total\{exchange="apiServers"[^}]*\} [1-9]/.test(
        (await get(`${cluster.api()}/metrics`)).body.toString(),
      );
    });
    clearInterval(beat);
    expect(seen).toEqual([]);
    for (const api of cluster.apis) {
      expect((await cluster.view(api.url)).map(server => server.address)).not.toContain(address);
    }
    await connection.close();
    await new Promise(resolve => stranger.close(resolve));
  });

  it('who takes over the address of a server is sent nothing more, and believed nothing', async () => {
    const victim = await cluster.holder('mine');
    await victim.kill();
    const seen: string[] = [];
    const [host = '', port] = victim.address.split(':');
    const impostor = createServer((incoming, response) => {
      seen.push(`${incoming.method} ${incoming.url}`);
      incoming.resume();
      response.writeHead(incoming.url === '/identity' ? 200 : 404, { 'content-type': 'application/problem+json' });
      response.end('{"code":"object-not-found"}');
    });
    await new Promise<void>(resolve => impostor.listen(Number(port), host, resolve));
    const read = await get(`${cluster.api()}/objects/mine`);
    expect(read.status).toBe(503);
    for (let index = 0; index < 20; index += 1) {
      expect((await put(`${cluster.api(index)}/objects/impostor-${index}`, 'x')).status).toBe(200);
    }
    const puts = seen.filter(line => line.startsWith('PUT'));
    // Until its first answer shows that it is another.
    expect(puts.length).toBeLessThanOrEqual(cluster.apis.length);
    impostor.closeAllConnections();
    await new Promise(resolve => impostor.close(resolve));
    victim.start();
    await cluster.ready();
    expect((await get(`${cluster.api()}/objects/mine`)).body.toString()).toBe('genuine');
  });
});

/** Signs by itself, so that a test can send what no server would. */
class Client {
  private readonly signer: RequestSigner;
  private last: { method: string; path: string; authorization: string } | undefined;

  constructor(
    private readonly address: string,
    secret: string,
  ) {
    const key = ClusterSecret.parse(secret)?.key('http');
    if (key === undefined) throw new Error('The secret of the test is too weak.');
    this.signer = new RequestSigner(key);
  }

  async send(method: string, path: string): Promise<Answer> {
    const signature = this.signer.sign({ address: this.address, method, target: path, fields: [] });
    this.last = { method, path, authorization: signature.authorization };
    const answer = await this.sendAgain();
    signature.judge(answer.status, name => answer.headers[name]?.toString());
    return answer;
  }

  sendAgain(path = this.last?.path): Promise<Answer> {
    if (this.last === undefined) throw new Error('Nothing was sent.');
    const headers = { Authorization: this.last.authorization };
    return request(`http://${this.address}${path}`, { method: this.last.method, headers });
  }
}

/** A log comes through a pipe. Resolves when so many lines are there, and rejects unless there are exactly so many. */
async function audited(log: readonly string[], reason: string, lines: number): Promise<void> {
  await waitUntil(`${lines} ${reason}`, 10_000, async () => auditLines(log, reason).length >= lines);
  expect(auditLines(log, reason)).toHaveLength(lines);
}

function auditLines(log: readonly string[], reason: string): Record<string, unknown>[] {
  return log
    .filter(line => line.startsWith('{') && line.includes('"audit":true'))
    .map(line => JSON.parse(line) as Record<string, unknown>)
    .filter(line => line['reason'] === reason);
}
