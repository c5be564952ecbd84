import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  EXCHANGES,
  GranaryError,
  encodeBody,
  hashName,
  heartbeatHeaders,
  locateAnswerHeaders,
  parseHeartbeat,
  parseLocateRequest,
  type ObjectName,
  type ServerState,
} from '#contracts';
import { ClusterView, LogicalClock, rankMembers, type Member } from '#cluster';
import { MemoryHub, MemoryMessageBus } from '#mq/memory';
import type { ShardStore } from '#storage';
import { MemoryShardStore } from '#storage/memory';
import { createLocateObject, type LocateObject } from '../cluster/locate-object.js';
import { ClusterStore } from '../objects/cluster-store.js';
import type { ObjectCluster } from '../objects/object-cluster.js';

/** `dead`: connections are refused. `hung`: requests are given up after a while. Both are silent on the bus too. */
export type Condition = 'up' | 'dead' | 'hung' | 'full' | 'unreachable';

const HUNG_MS = 30;

/** Data servers and API servers in memory, on one hub, with faults by command. No timer runs but the locates' own. */
export class MemoryCluster {
  readonly hub = new MemoryHub();
  readonly servers = new Map<string, TestDataServer>();
  wallNowMs: () => number = Date.now;

  async addServer(id: string, options: { state?: ServerState; members?: string[] } = {}): Promise<TestDataServer> {
    const server = new TestDataServer(id, this.hub, options);
    for (const known of this.servers.values()) known.members.push(id);
    server.members.push(...this.servers.keys());
    await server.listen();
    this.servers.set(id, server);
    await server.beat();
    return server;
  }

  async addPeer(address: string): Promise<TestPeer> {
    const peer = new TestPeer(address, this.hub);
    await peer.listen();
    this.servers.set(`peer:${address}`, peer);
    await peer.beat();
    return peer;
  }

  async apiServer(options: { locateTimeoutMs?: number; settleMs?: number } = {}): Promise<TestApiServer> {
    const api = new TestApiServer(this, options);
    await api.listen();
    for (const server of this.servers.values()) await server.beat();
    await settle();
    return api;
  }

  server(id: string): TestDataServer {
    const server = this.servers.get(id);
    if (server === undefined) throw new Error(`There is no server ${id}.`);
    return server;
  }

  /** Ids of the servers that hold the object. */
  holdersOf(name: ObjectName): string[] {
    return [...this.servers.values()].filter(server => server.memory.has(name)).map(server => server.id);
  }
}

export class TestDataServer {
  readonly memory = new MemoryShardStore();
  readonly address: string;
  condition: Condition = 'up';
  state: ServerState;
  bootId = 'boot-1';
  members: string[];
  sequence = 0;
  /** Requests to the store, by any API server. */
  requests = 0;
  protected readonly bus: MemoryMessageBus;

  constructor(
    readonly id: string,
    hub: MemoryHub,
    options: { state?: ServerState; members?: string[]; address?: string } = {},
  ) {
    this.address = options.address ?? `${id}.test:80`;
    this.bus = new MemoryMessageBus(hub);
    this.state = options.state ?? 'ready';
    this.members = [id, ...(options.members ?? [])];
  }

  async listen(): Promise<void> {
    await this.bus.subscribe(EXCHANGES.dataServers, message => {
      const name = parseLocateRequest(message.body);
      if (name === undefined || this.isSilent) return;
      const entry = this.memory.entry(hashName(name));
      const headers = locateAnswerHeaders(
        { serverId: this.id, bootId: this.bootId },
        this.memory.has(name),
        entry?.stamp,
      );
      void this.bus.answer(message, { body: encodeBody(this.address), headers });
    });
  }

  async beat(): Promise<void> {
    if (this.isSilent) return;
    this.sequence += 1;
    const { id: serverId, bootId, sequence, state, members } = this;
    const facts = { capacityBytes: 2 ** 40, usedBytes: 0, clock: this.memory.latestStamp() };
    const headers = heartbeatHeaders({ serverId, bootId, sequence, state, members, ...facts });
    await this.bus.publish(EXCHANGES.apiServers, { body: encodeBody(this.address), headers });
    await settle();
  }

  get isSilent(): boolean {
    return this.condition === 'dead' || this.condition === 'hung';
  }

  /** The store as an API server reaches it. */
  storeFor(view: ClusterView, member: Member): ShardStore {
    return withFaults(this.memory, async operation => {
      this.requests += 1;
      if (this.condition === 'hung') await new Promise(resolve => setTimeout(resolve, HUNG_MS));
      if (this.condition !== 'up' && this.condition !== 'full') {
        view.suspect(member);
        throw new GranaryError('data-server-unavailable', `${this.id} is ${this.condition}.`);
      }
      if (this.condition === 'full' && (operation === 'put' || operation === 'create')) {
        throw new GranaryError('storage-full', `${this.id} is full.`);
      }
    });
  }
}

/** Says nothing when it has nothing, knows no headers, and cannot delete. */
export class TestPeer extends TestDataServer {
  constructor(address: string, hub: MemoryHub) {
    super(`peer:${address}`, hub, { address });
  }

  override async listen(): Promise<void> {
    await this.bus.subscribe(EXCHANGES.dataServers, message => {
      const name = parseLocateRequest(message.body);
      if (name === undefined || this.isSilent || !this.memory.has(name)) return;
      void this.bus.answer(message, { body: encodeBody(this.address) });
    });
  }

  override async beat(): Promise<void> {
    if (this.isSilent) return;
    await this.bus.publish(EXCHANGES.apiServers, { body: encodeBody(this.address) });
    await settle();
  }
}

export class TestApiServer {
  readonly clock: LogicalClock;
  readonly view: ClusterView;
  readonly locate: LocateObject;
  readonly objects: ObjectCluster;
  readonly store: ClusterStore;
  readonly bus: MemoryMessageBus;
  locates = 0;

  constructor(
    private readonly cluster: MemoryCluster,
    { locateTimeoutMs = 1000, settleMs = 0 }: { locateTimeoutMs?: number; settleMs?: number },
  ) {
    this.bus = new MemoryMessageBus(cluster.hub);
    this.clock = new LogicalClock(() => cluster.wallNowMs());
    this.view = new ClusterView({
      prove: async member => cluster.servers.get(member.key)?.condition === 'up',
      clock: this.clock,
      expiryMs: 10_000,
      forgetAfterMs: 1_000_000,
      settleMs,
    });
    const locate = createLocateObject(this.bus, this.view, this.clock, locateTimeoutMs);
    this.locate = (...question) => {
      this.locates += 1;
      return locate(...question);
    };
    const storeOf = (member: Member): ShardStore => cluster.server(member.key).storeFor(this.view, member);
    this.objects = { view: this.view, storeOf, locate: this.locate, clock: this.clock };
    this.store = new ClusterStore(this.objects);
  }

  async listen(): Promise<void> {
    this.view.busChanged('up');
    await this.bus.subscribe(EXCHANGES.apiServers, message => {
      const beat = parseHeartbeat(message.body, message.headers);
      if (beat !== undefined) this.view.observe(beat);
    });
  }

  /** Ids of the name's rank, the home first. */
  rank(name: ObjectName): string[] {
    return rankMembers(hashName(name), this.view.homes).map(member => member.key);
  }

  /** The server in this place of the name's rank. */
  choice(name: ObjectName, place: number): TestDataServer {
    return this.cluster.server(this.rank(name)[place] ?? '');
  }
}

type Before = (operation: keyof ShardStore) => Promise<void>;

function withFaults(store: ShardStore, before: Before): ShardStore {
  return {
    put: async (...args) => (await before('put'), store.put(...args)),
    create: async (...args) => (await before('create'), store.create(...args)),
    open: async (...args) => (await before('open'), store.open(...args)),
    stat: async (...args) => (await before('stat'), store.stat(...args)),
    remove: async (...args) => (await before('remove'), store.remove(...args)),
  };
}

/** Long enough for every message and proof underway. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await nextTurn();
}
