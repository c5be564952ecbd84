import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig } from '#config';
import { homeOf, type Member } from '#cluster';
import {
  EXCHANGES,
  MESSAGE_HEADERS,
  encodeLocateRequest,
  hashName,
  parseHeartbeat,
  parseLocateAnswer,
  toObjectName,
  type Heartbeat,
  type ObjectName,
} from '#contracts';
import { MemoryHub, MemoryMessageBus } from '#mq/memory';
import { Metrics, silentLogger } from '#telemetry';
import { dataServerSchema } from '../config.js';
import { DEADLINE_MS } from '../announce/joining.js';
import { startDataServer, type DataServer } from '../data-server.module.js';

/** Data servers with their disks and HTTP ports, on one in-process bus: they notice each other, and copies find home. */

const IDS = ['one', 'two', 'three'];
/** An address of their own: a port that is free there stays so while servers stop and start, whatever runs beside. */
const HOST = '127.0.20.1';

describe('data servers in a cluster', () => {
  let cluster: TestCluster;

  beforeEach(async () => {
    cluster = await TestCluster.create();
    await Promise.all(IDS.map(id => cluster.start(id)));
    await cluster.allAre('ready');
  });

  afterEach(() => cluster.close());

  it('move a copy that was written elsewhere to its home', async () => {
    const name = cluster.nameAtHome('one');
    const large = cluster.nameAtHome('one', 'large');
    const bytes = Buffer.alloc(3_000_000, 'granary');
    await put(cluster.server('two'), name, 'small');
    await put(cluster.server('three'), large, bytes);
    await eventually(() => expect(cluster.holdersOf(name)).toEqual(['one']));
    await eventually(() => expect(cluster.holdersOf(large)).toEqual(['one']));
    expect(await get(cluster.server('one'), name)).toEqual(Buffer.from('small'));
    expect((await get(cluster.server('one'), large)).equals(bytes)).toBe(true);
  });

  it('bring a server that was away up to date before it is ready', async () => {
    const names = ['overwritten', 'deleted', 'kept'].map(kind => cluster.nameAtHome('one', kind));
    const [overwritten, deleted, kept] = names as [ObjectName, ObjectName, ObjectName];
    for (const name of names) await put(cluster.server('one'), name, 'old');
    await cluster.stop('one');
    await cluster.allAre('ready', ['two', 'three']);

    await put(cluster.server('two'), overwritten, 'new');
    await remove(cluster.server('two'), deleted);
    const isReady = cluster.hears('one', 'ready');
    await cluster.start('one');
    await isReady;
    expect([undefined, 'new']).toContain(await textAt(cluster.server('one'), overwritten));
    expect(await textAt(cluster.server('one'), deleted)).toBeUndefined();

    await eventually(() => expect(cluster.holdersOf(overwritten)).toEqual(['one']));
    expect(await textAt(cluster.server('one'), overwritten)).toBe('new');
    expect(cluster.holdersOf(deleted)).toEqual([]);
    expect(await textAt(cluster.server('one'), kept)).toBe('old');
  });

  it('keep a newer copy that comes back from a server that was away', async () => {
    const name = cluster.nameAtHome('two');
    await put(cluster.server('two'), name, 'old');
    await cluster.stop('two');
    await cluster.allAre('ready', ['one', 'three']);
    const fallback = cluster.homeAmong(name, ['one', 'three']);
    await put(cluster.server(fallback), name, 'new');
    await cluster.stop(fallback);
    await cluster.start('two');
    await cluster.start(fallback);
    await cluster.allAre('ready');
    await eventually(() => expect(cluster.holdersOf(name)).toEqual(['two']));
    expect(await textAt(cluster.server('two'), name)).toBe('new');
  });

  it('do not wait for each other in a circle when all start together', async () => {
    for (const id of IDS) await put(cluster.server(id), cluster.nameAtHome(id), id);
    await Promise.all(IDS.map(id => cluster.stop(id)));
    const startedMs = performance.now();
    const ready = Promise.all(IDS.map(id => cluster.hears(id, 'ready')));
    await Promise.all(IDS.map(id => cluster.start(id)));
    await ready;
    // In a circle nobody would be ready before.
    expect(performance.now() - startedMs).toBeLessThan(DEADLINE_MS);
  });

  it('answer locates: here, not here to those who understand it, silence to others', async () => {
    const name = cluster.nameAtHome('one');
    await put(cluster.server('one'), name, 'x');
    expect(await cluster.locate(name, {}, 1)).toEqual(['one']);
    const answers = await cluster.locate(name, { [MESSAGE_HEADERS.understandsNo]: true }, 3);
    expect(answers.toSorted()).toEqual(['not three', 'not two', 'one']);
  });

  it('refuse to start beside a living server with the same id', async () => {
    await expect(cluster.startOther('one')).rejects.toThrow(/id one is alive already/);
    expect(await textAt(cluster.server('one'), toObjectName('none'))).toBeUndefined();
  });

  it('send nothing but heartbeats while all is where it belongs', async () => {
    await put(cluster.server('one'), cluster.nameAtHome('one'), 'x');
    const before = await settledCounts(cluster);
    await put(cluster.server('one'), cluster.nameAtHome('one'), 'y');
    await sleep(500);
    expect(await reconcileCounts(cluster)).toEqual(before);
  });
});

class TestCluster {
  private readonly hub = new MemoryHub();
  private readonly ear = new MemoryMessageBus(this.hub);
  private readonly running = new Map<string, DataServer>();
  private readonly lastBeats = new Map<string, Heartbeat>();
  private readonly listeners = new Set<(beat: Heartbeat) => void>();

  private constructor(
    private readonly directory: string,
    private readonly ports: ReadonlyMap<string, number>,
  ) {}

  static async create(): Promise<TestCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'granary-data-servers-'));
    const ports = new Map<string, number>();
    for (const id of [...IDS, 'other']) ports.set(id, await freePort());
    const cluster = new TestCluster(directory, ports);
    await cluster.ear.subscribe(EXCHANGES.apiServers, ({ body, headers }) => {
      const beat = parseHeartbeat(body, headers);
      if (beat?.facts === undefined) return;
      cluster.lastBeats.set(beat.facts.serverId, beat);
      for (const listener of cluster.listeners) listener(beat);
    });
    return cluster;
  }

  async start(id: string): Promise<void> {
    this.running.set(id, await this.launch(id, id));
  }

  /** Another process by the same id: a copied directory. */
  async startOther(id: string): Promise<void> {
    const other = await this.launch(id, 'other');
    await other.stop();
  }

  async stop(id: string): Promise<void> {
    await this.server(id).stop();
    this.running.delete(id);
    this.lastBeats.delete(id);
  }

  async close(): Promise<void> {
    await Promise.all([...this.running.values()].map(server => server.stop()));
    await this.ear.close();
    await rm(this.directory, { recursive: true });
  }

  server(id: string): DataServer {
    const server = this.running.get(id);
    if (server === undefined) throw new Error(`${id} does not run.`);
    return server;
  }

  hears(id: string, state: string): Promise<void> {
    return new Promise(resolve => {
      const listener = ({ facts }: Heartbeat) => {
        if (facts?.serverId !== id || facts.state !== state) return;
        this.listeners.delete(listener);
        resolve();
      };
      this.listeners.add(listener);
    });
  }

  /** And each has heard of it. */
  async allAre(state: string, ids = IDS): Promise<void> {
    await eventually(() => expect(ids.map(id => this.lastBeats.get(id)?.facts?.state)).toEqual(ids.map(() => state)));
    await sleep(300);
  }

  /** A name that belongs to the server while all live. */
  nameAtHome(id: string, kind = 'name'): ObjectName {
    const names = Array.from({ length: 1000 }, (_, index) => toObjectName(`${kind}/${index}`));
    const found = names.find(name => this.homeAmong(name, IDS) === id);
    if (found === undefined) throw new Error(`No name belongs to ${id}.`);
    return found;
  }

  homeAmong(name: ObjectName, ids: readonly string[]): string {
    const capacityBytes = [...this.lastBeats.values()][0]?.facts?.capacityBytes ?? 0;
    const members = ids.map((key): Member => ({
      key,
      address: '',
      kind: 'granary',
      facts: {
        serverId: key,
        bootId: '',
        sequence: 1,
        state: 'ready',
        capacityBytes,
        usedBytes: 0,
        clock: 0,
        members: [],
      },
      lastBeatMs: 0,
      lastBeatAt: new Date(0),
      proven: true,
      suspect: false,
    }));
    return homeOf(hashName(name), members)?.key ?? '';
  }

  holdersOf(name: ObjectName): string[] {
    return [...this.running].filter(([, { stores }]) => stores.objects.has(name)).map(([id]) => id);
  }

  /** Waits for so many answers, and for others that must not come. */
  async locate(name: ObjectName, headers: Record<string, unknown>, count: number): Promise<string[]> {
    const answers: string[] = [];
    const question = await this.ear.ask(
      EXCHANGES.dataServers,
      { body: encodeLocateRequest(name), headers },
      ({ body, headers }) => {
        const answer = parseLocateAnswer(body, headers);
        if (answer !== undefined) answers.push(answer.here ? `${answer.serverId}` : `not ${answer.serverId}`);
      },
    );
    await eventually(() => expect(answers.length).toBeGreaterThanOrEqual(count));
    await sleep(100);
    question.close();
    return answers;
  }

  get servers(): DataServer[] {
    return [...this.running.values()];
  }

  private launch(id: string, place: string): Promise<DataServer> {
    const config = loadConfig(dataServerSchema, {
      LISTEN_ADDRESS: `${HOST}:${this.ports.get(place)}`,
      STORAGE_ROOT: join(this.directory, place),
      SERVER_ID: id,
      RABBITMQ_SERVER: 'amqp://unused.test',
      MIN_FREE_BYTES: '0',
      STORAGE_FSYNC: 'off',
      HEARTBEAT_INTERVAL_MS: '250',
      SHUTDOWN_DEADLINE_MS: '1000',
    });
    const bus = new MemoryMessageBus(this.hub);
    return startDataServer(config, { logger: silentLogger, metrics: new Metrics(), bus });
  }
}

async function put({ address }: DataServer, name: ObjectName, body: string | Buffer): Promise<void> {
  const response = await fetch(urlOf(address, name), { method: 'PUT', body });
  expect(response.status).toBe(200);
}

async function get({ address }: DataServer, name: ObjectName): Promise<Buffer> {
  return Buffer.from(await (await fetch(urlOf(address, name))).arrayBuffer());
}

async function textAt({ address }: DataServer, name: ObjectName): Promise<string | undefined> {
  const response = await fetch(urlOf(address, name));
  const text = await response.text();
  return response.status === 200 ? text : undefined;
}

async function remove({ address }: DataServer, name: ObjectName): Promise<void> {
  const response = await fetch(urlOf(address, name), { method: 'DELETE', headers: { 'granary-remember': '1' } });
  await response.arrayBuffer();
}

function urlOf(address: string, name: ObjectName): string {
  return `http://${address}/objects/${encodeURIComponent(name)}`;
}

async function reconcileCounts({ servers }: TestCluster): Promise<string[]> {
  const texts = await Promise.all(
    servers.map(async ({ address }) => (await fetch(`http://${address}/metrics`)).text()),
  );
  return texts.flatMap(text => text.split('\n').filter(line => line.startsWith('granary_reconcile_')));
}

/** Once the servers have got to know each other, and compared what they have. */
async function settledCounts(cluster: TestCluster): Promise<string[]> {
  let counts = await reconcileCounts(cluster);
  for (let row = 0; row < 10; row += 1) {
    await sleep(50);
    const now = await reconcileCounts(cluster);
    if (String(now) !== String(counts)) row = 0;
    counts = now;
  }
  return counts;
}

async function eventually(assertion: () => void, timeoutMs = 20_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    try {
      return assertion();
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await sleep(50);
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
