import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GranaryError, hashName, toObjectName, type ObjectName, type ServerState, type Stamp } from '#contracts';
import { homeOf, type Member } from '#cluster';
import type { ShardStore } from '#storage';
import { MemoryShardStore } from '#storage/memory';
import { silentLogger } from '#telemetry';
import { bringHome, type BringHomeContext } from './bring-home.js';
import { ByteBudget } from './byte-budget.js';
import { compareNotes } from './compare-notes.js';
import { Homes } from './homes.js';
import { InHand } from './in-hand.js';
import { JoinerTeller } from './joiner-teller.js';
import { MisplacedMover } from './misplaced-mover.js';
import type { Neighbours } from './neighbours.js';

/**
 * Servers that die, return, miss writes and lose messages, against a model that knows every
 * acknowledged write. It fails when a newest copy is dropped before another server has it, when two
 * servers drop their copies on each other's word, when a deletion is undone, or when copies do not
 * end up at their homes.
 */

const SERVERS = 4;
const NAMES = ['a', 'b/c', 'd', 'é', 'f', 'g'].map(toObjectName);

type Step =
  | { do: 'put'; name: number; away: boolean }
  | { do: 'delete'; name: number }
  | { do: 'die' | 'return' | 'ready'; server: number }
  | { do: 'look'; server: number }
  | { do: 'swap'; name: number; servers: [number, number]; delivery: Delivery[] }
  | { do: 'work'; servers: number[]; delivery: Delivery[]; meanwhile: number };

/** What happens to a message: how many turns it takes, and whether its answer is lost. */
interface Delivery {
  turns: number;
  isLost: boolean;
}

const server = fc.nat({ max: SERVERS - 1 });
const name = fc.nat({ max: NAMES.length - 1 });
const delivery = fc.array(fc.record({ turns: fc.nat({ max: 9 }), isLost: fc.boolean() }), { maxLength: 12 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('put' as const), name, away: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), name }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('die' as const, 'return' as const, 'ready' as const), server }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('look' as const), server }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('swap' as const), name, servers: fc.tuple(server, server), delivery }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('work' as const),
      servers: fc.array(server, { minLength: 1, maxLength: 3 }),
      delivery,
      meanwhile: name,
    }),
  },
);

describe('reconcile', () => {
  it('keeps the newest copy of every name, and nothing else, at its home', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
        const cluster = new TestCluster();
        for (const next of steps) {
          await cluster.take(next);
          cluster.expectNothingLost();
        }
        await cluster.settle();
        cluster.expectAllAtHome();
      }),
      { numRuns: 300 },
    );
  });

  it('never lets a server be ready with what it missed', async () => {
    const quietStep = step.filter(({ do: what }) => what === 'put' || what === 'delete');
    const steps = fc.array(quietStep, { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(server, steps, steps, steps, async (away, before, missed, meanwhile) => {
        const cluster = new TestCluster();
        const takeAll = async (list: Step[]) => {
          for (const next of list) await cluster.take(next.do === 'put' ? { ...next, away: false } : next);
        };
        await takeAll(before);
        await cluster.take({ do: 'die', server: away });
        await takeAll(missed);
        await cluster.take({ do: 'return', server: away });
        await cluster.joinAll(() => takeAll(meanwhile.splice(0, 5)));
        cluster.expectNothingOutdatedServed();
      }),
      { numRuns: 200 },
    );
  });
});

interface Written {
  stamp: Stamp;
  /** Undefined: deleted. */
  content: string | undefined;
}

class TestCluster {
  readonly servers = Array.from({ length: SERVERS }, (_, index) => new TestServer(`server-${index}`, this));
  readonly model = new Map<ObjectName, Written>();
  clock: Stamp = 0;
  deliveries: Delivery[] = [];

  constructor() {
    this.everyoneLooks();
  }

  async take(step: Step): Promise<void> {
    if (step.do === 'put') await this.put(nameAt(step.name), step.away);
    else if (step.do === 'delete') await this.delete(nameAt(step.name));
    else if (step.do === 'die') this.serverAt(step.server).die();
    else if (step.do === 'return') this.serverAt(step.server).return();
    else if (step.do === 'ready') this.serverAt(step.server).becomeReady();
    else if (step.do === 'look') this.serverAt(step.server).look();
    else if (step.do === 'swap') {
      this.deliveries = [...step.delivery];
      const [one, other] = step.servers.map(index => this.serverAt(index));
      if (one !== undefined && other !== undefined) await this.swap(nameAt(step.name), one, other);
      this.deliveries = [];
    } else if (step.do === 'work') {
      this.deliveries = [...step.delivery];
      await Promise.all([
        ...step.servers.map(index => this.serverAt(index).work()),
        turns(3).then(() => this.put(nameAt(step.meanwhile), false)),
      ]);
      this.deliveries = [];
    }
  }

  /** `away`: the API server takes the first choice for dead. */
  async put(name: ObjectName, away: boolean): Promise<void> {
    const home = this.homeOf(name);
    const target = away ? this.ready.find(candidate => candidate !== home) : home;
    if (target === undefined) return;
    const stamp = ++this.clock;
    const content = `${name} ${stamp}`;
    const stored = await target.store.put(name, Buffer.from(content), { stamp });
    this.model.set(name, { stamp: stored.stamp, content });
  }

  /** As an API server does it: at the home, and at whoever says that he has it. */
  async delete(name: ObjectName): Promise<void> {
    const home = this.homeOf(name);
    if (home === undefined) return;
    const stamp = ++this.clock;
    await home.store.remove(name, { stamp, remember: true });
    for (const { store } of this.alive.filter(other => other !== home && other.store.has(name))) {
      await store.remove(name, { stamp });
    }
    this.model.set(name, { stamp, content: undefined });
  }

  /** Each takes the other for the home at the same time: asked to by API servers that know different weights. */
  async swap(name: ObjectName, one: TestServer, other: TestServer): Promise<void> {
    if (one === other || !one.isAlive || !other.isAlive) return;
    await one.bring(name, other);
    await Promise.all([one.bring(name, other), other.bring(name, one)]);
  }

  /** Everyone returns, sees everyone, and works until there is nothing left to do. */
  async settle(): Promise<void> {
    for (const server of this.servers) server.return();
    await this.joinAll(async () => {});
    for (let round = 0; round < 20; round += 1) {
      this.everyoneLooks();
      const settled = await Promise.all(this.servers.map(server => server.work()));
      if (!settled.includes(false)) return;
    }
    throw new Error('The servers do not come to rest.');
  }

  /** Until no one is joining. A server is ready when all living ones have told it everything. */
  async joinAll(meanwhile: () => Promise<void>): Promise<void> {
    for (let round = 0; round < 20; round += 1) {
      this.everyoneLooks();
      await Promise.all([meanwhile(), ...this.alive.map(server => server.work())]);
      await Promise.all(this.alive.map(server => server.teller.pass()));
      for (const joiner of this.alive.filter(({ state }) => state === 'joining')) {
        if (this.alive.every(other => other === joiner || joiner.done.has(other.id))) joiner.becomeReady();
      }
      if (this.alive.every(({ state }) => state === 'ready')) return;
    }
    throw new Error('The servers wait for each other.');
  }

  expectNothingLost(): void {
    for (const [name, { stamp, content }] of this.model) {
      if (content === undefined) continue;
      const holders = this.servers.filter(({ store }) => {
        const entry = store.entry(hashName(name));
        return entry?.stamp === stamp && !entry.removed;
      });
      expect({ name, holders: holders.length }).not.toEqual({ name, holders: 0 });
    }
  }

  expectAllAtHome(): void {
    for (const [name, { stamp, content }] of this.model) {
      const home = this.homeOf(name);
      for (const { id, store } of this.servers) {
        const entry = store.entry(hashName(name));
        const expected = id === home?.id ? { hash: hashName(name), stamp, removed: content === undefined } : undefined;
        expect({ name, id, entry }).toEqual({ name, id, entry: expected });
      }
    }
  }

  expectNothingOutdatedServed(): void {
    for (const [name, { stamp }] of this.model) {
      const entry = this.homeOf(name)?.store.entry(hashName(name));
      if (entry !== undefined && !entry.removed) expect({ name, stamp: entry.stamp }).toEqual({ name, stamp });
    }
  }

  /** Lets the next message have its fate. */
  async deliver<T>(action: () => Promise<T>): Promise<T> {
    const fate = this.deliveries.shift() ?? { turns: 0, isLost: false };
    await turns(fate.turns);
    const result = await action();
    await turns(fate.turns);
    if (fate.isLost) throw unreachable();
    return result;
  }

  serverAt(index: number): TestServer {
    const found = this.servers[index];
    if (found === undefined) throw new Error(`There is no server ${index}.`);
    return found;
  }

  get alive(): TestServer[] {
    return this.servers.filter(({ isAlive }) => isAlive);
  }

  get ready(): TestServer[] {
    return this.alive.filter(({ state }) => state === 'ready');
  }

  private homeOf(name: ObjectName): TestServer | undefined {
    const home = homeOf(
      hashName(name),
      this.ready.map(server => server.member),
    );
    return this.servers.find(({ id }) => id === home?.key);
  }

  private everyoneLooks(): void {
    for (const server of this.alive) server.look();
  }
}

class TestServer {
  readonly store = new MemoryShardStore();
  readonly done = new Set<string>();
  state: ServerState = 'ready';
  isAlive = true;
  boot = 1;
  teller!: JoinerTeller;
  mover!: MisplacedMover;
  private context!: BringHomeContext;
  private inHand = new InHand();
  private homes = new Homes(this.member, []);

  constructor(
    readonly id: string,
    private readonly cluster: TestCluster,
  ) {
    this.start();
    this.store.onChange(({ hash }) => {
      this.mover.nameChanged(hash);
      this.teller.nameChanged(hash);
    });
  }

  get member(): Member {
    const facts = {
      serverId: this.id,
      bootId: `${this.id}-${this.boot}`,
      sequence: 1,
      state: this.state,
      capacityBytes: 2 ** 30,
      usedBytes: 0,
      clock: 0,
      members: [],
    };
    const at = { address: `${this.id}:1`, lastBeatMs: 0, lastBeatAt: new Date(0) };
    return { key: this.id, kind: 'granary', facts, ...at, proven: true, suspect: false };
  }

  die(): void {
    this.isAlive = false;
  }

  return(): void {
    if (this.isAlive) return;
    this.isAlive = true;
    this.boot += 1;
    this.state = 'joining';
    this.done.clear();
    this.start();
    this.look();
  }

  becomeReady(): void {
    if (this.isAlive) this.state = 'ready';
  }

  /** Sees who lives now, and in what state. */
  look(): void {
    if (!this.isAlive) return;
    const others = this.cluster.alive.filter(other => other !== this).map(other => other.member);
    this.homes = new Homes(this.member, others);
    this.teller.serversChanged();
    this.mover.serversChanged();
  }

  async work(): Promise<boolean> {
    if (!this.isAlive) return true;
    const [told, moved] = await Promise.all([this.teller.pass(), this.mover.pass()]);
    return told && moved;
  }

  async bring(name: ObjectName, home: TestServer): Promise<void> {
    const entry = this.store.entry(hashName(name));
    if (entry !== undefined) await bringHome(this.context, home.member, [entry]);
  }

  /** A process begins: what was only in memory is gone. */
  private start(): void {
    this.inHand = new InHand();
    const counter = { inc: () => undefined };
    this.context = {
      store: this.store,
      neighbours: this.neighbours(),
      inHand: this.inHand,
      budget: new ByteBudget(Infinity),
      metrics: { moved: counter, dropped: counter, damaged: counter, scans: counter },
      logger: silentLogger,
      signal: new AbortController().signal,
    };
    this.teller = new JoinerTeller(this.context, () => this.homes);
    this.mover = new MisplacedMover(this.context, () => this.homes);
  }

  private neighbours(): Neighbours {
    const reach = (member: Member): TestServer => {
      const target = this.cluster.servers.find(({ id }) => id === member.key);
      if (target?.isAlive !== true || target.member.facts?.bootId !== member.facts?.bootId) throw unreachable();
      return target;
    };
    return {
      compare: (member, notes) =>
        this.cluster.deliver(async () => {
          const { store, inHand, state } = reach(member);
          return compareNotes({ store, inHand, isJoining: () => state === 'joining' }, notes);
        }),
      sayDone: async member => {
        reach(member).done.add(this.id);
      },
      retain: () => undefined,
      storeOf: member => this.losingAnswers(reach(member).store),
    };
  }

  /** The copy arrives, but sometimes nobody learns of it. */
  private losingAnswers(store: MemoryShardStore): ShardStore {
    return {
      put: (name, bytes, options) => this.cluster.deliver(() => store.put(name, bytes, options)),
      create: (name, options) => store.create(name, options),
      open: (name, options) => store.open(name, options),
      stat: name => store.stat(name),
      remove: (name, options) => store.remove(name, options),
    };
  }
}

function unreachable(): GranaryError {
  return new GranaryError('data-server-unavailable', 'lost');
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await Promise.resolve();
}

function nameAt(index: number): ObjectName {
  const found = NAMES[index];
  if (found === undefined) throw new Error(`There is no name ${index}.`);
  return found;
}
