import { ConfigError } from '#config';
import {
  EXCHANGES,
  GranaryError,
  encodeControl,
  parseControl,
  parseHeartbeat,
  type Heartbeat as Beat,
  type ReconcileAnswer,
  type ReconcileRequest,
} from '#contracts';
import { ClusterView, type LogicalClock, type Member, type ViewEvent } from '#cluster';
import type { BusStatus, IncomingMessage, MessageBus, OutgoingMessage } from '#mq';
import type { ShardCatalog, ShardStore, StoreUsage } from '#storage';
import type { Logger, Metrics } from '#telemetry';
import { startDeadline } from '#time';
import { Absence } from '../announce/absence.js';
import { answerLocate } from '../announce/answer-locate.js';
import { Heartbeat } from '../announce/heartbeat.js';
import { Joining } from '../announce/joining.js';
import { OwnServer } from '../announce/own-server.js';
import { Homes } from '../upkeep/homes.js';
import type { Neighbours } from '../upkeep/neighbours.js';
import { Reconciler } from '../upkeep/reconciler.js';
import { upkeepMetrics } from '../upkeep/upkeep-metrics.js';
import { MemberFile } from './member-file.js';
import { membershipMetrics, type MembershipMetrics } from './membership-metrics.js';

export interface MembershipOptions {
  serverId: string;
  bootId: string;
  /** Where the others reach this server. */
  address: string;
  zone?: string | undefined;
  store: ShardStore & ShardCatalog;
  /** Of all that the server keeps. */
  usage: () => Promise<StoreUsage>;
  clock: LogicalClock;
  bus: MessageBus;
  neighbours: (own: OwnServer) => Neighbours;
  /** Whether the address answers as the server that a beat claims to be. */
  prove: (member: Member) => Promise<boolean>;
  /** Where the known members are kept. */
  memberFilePath: string;
  heartbeatIntervalMs: number;
  serverExpiryMs: number;
  forgetServerAfterMs: number;
  reconcileBytesPerSecond: number;
  logger: Logger;
  metrics: Metrics;
}

/** How long a starting server listens for a living one with its id before it says a word. */
const LISTEN_MS = 200;
/** How long a start waits for the bus, to do that. */
const BUS_WAIT_MS = 1500;

/** A data server's part in the cluster: it announces itself, knows the others, and keeps copies where they belong. */
export class Membership {
  readonly own: OwnServer;
  readonly view: ClusterView;
  readonly #options: MembershipOptions;
  readonly #metrics: MembershipMetrics;
  readonly #memberFile: MemberFile;
  readonly #heartbeat: Heartbeat;
  readonly #joining: Joining;
  readonly #absence: Absence;
  readonly #neighbours: Neighbours;
  readonly #reconciler: Reconciler;
  readonly #stops: (() => void)[] = [];
  #homes: Homes | undefined;
  /** Nothing is said of this server before it is `introduced`. `waiting`: for a bus that was down at the start. */
  #phase: 'starting' | 'waiting' | 'introduced' = 'starting';
  /** Says that another living process goes by this server's id. */
  #namesake: string | undefined;
  #lastAwakeMs = performance.now();

  /** Reads what is remembered of the cluster. Nothing is sent before `start`. */
  static async open(options: MembershipOptions): Promise<Membership> {
    const memberFile = new MemberFile(options.memberFilePath, options.logger);
    const [known, usage] = await Promise.all([memberFile.load(), options.usage()]);
    options.clock.observe(options.store.latestStamp());
    const own = new OwnServer({ ...options, usage });
    own.setJoining(!isEmpty(options.store));
    return new Membership(options, own, memberFile, known);
  }

  private constructor(options: MembershipOptions, own: OwnServer, memberFile: MemberFile, known: ClusterView['known']) {
    const { clock, bus, store, logger, prove } = options;
    this.#options = options;
    this.own = own;
    this.#memberFile = memberFile;
    this.#metrics = membershipMetrics(options.metrics);
    this.view = new ClusterView({
      prove,
      clock,
      known,
      expiryMs: options.serverExpiryMs,
      forgetAfterMs: options.forgetServerAfterMs,
      report: event => this.#report(event),
    });
    this.#heartbeat = new Heartbeat({
      own,
      bus,
      logger,
      intervalMs: options.heartbeatIntervalMs,
      otherMembers: () => this.view.known.map(server => server.serverId),
      metrics: this.#metrics.heartbeats,
    });
    this.#joining = new Joining({
      own,
      logger,
      live: () => this.view.live,
      missing: () => this.view.missing.filter(id => id !== own.serverId),
      askForBeats: () => this.#askForBeats(),
    });
    this.#absence = new Absence(options.heartbeatIntervalMs, options.serverExpiryMs);
    this.#neighbours = options.neighbours(own);
    this.#reconciler = new Reconciler({
      store,
      logger,
      neighbours: this.#neighbours,
      homes: () => (this.#homes ??= new Homes(own.asMember(), this.view.ours)),
      isJoining: () => own.state === 'joining',
      bytesPerSecond: options.reconcileBytesPerSecond,
      metrics: upkeepMetrics(options.metrics),
    });
  }

  /**
   * False until the others have been told that this is another process than the one that was here
   * before: they would take what it serves for current. Without a bus there is nobody to tell.
   */
  get mayServe(): boolean {
    return this.#phase !== 'starting';
  }

  /**
   * To be called when HTTP is served and the exchanges are subscribed to. Throws ConfigError if a
   * living server has this one's id. A bus that is down is no reason not to start.
   */
  async start(): Promise<void> {
    const { bus } = this.#options;
    this.#stops.push(
      bus.onStatus(status => this.#busChanged(status)),
      this.view.onChange(() => this.#serversChanged()),
      this.own.onChange(() => this.#ownStateChanged()),
    );
    this.#reconciler.start();
    this.view.busChanged(bus.status);
    if (await isUpWithin(bus, BUS_WAIT_MS)) await this.#introduce();
    else this.#phase = 'waiting';
  }

  /** Tells the others that nothing new should come here. What is in progress goes on. */
  async leave(): Promise<void> {
    this.own.setLeaving();
    await this.#beat();
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    this.#joining.stop();
    await this.#reconciler.stop();
    this.#neighbours.retain([]);
    await this.#memberFile.save(this.view.known);
  }

  /** Every HEARTBEAT_INTERVAL_MS. */
  async beat(): Promise<void> {
    this.#noticeFreeze();
    await this.#beat();
  }

  /** Every second: looks at the disk and at who fell silent. */
  async lookAround(): Promise<void> {
    this.#noticeFreeze();
    this.view.sweep();
    void this.#memberFile.save(this.view.known);
    try {
      this.own.setUsage(await this.#options.usage());
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the use of the disk cannot be told');
    }
  }

  /** A message on `apiServers`. */
  hearBeat({ body, headers }: IncomingMessage): void {
    const beat = parseHeartbeat(body, headers);
    if (beat === undefined) return this.#metrics.malformed(EXCHANGES.apiServers);
    if (beat.facts === undefined) return;
    if (beat.facts.serverId === this.own.serverId) return this.#hearOwnId(beat);
    this.view.observe(beat);
    if (this.#absence.isRevealedBy(beat)) this.#join('the others went on without this server');
  }

  /** A message on `granary.control`. */
  hearControl({ body }: IncomingMessage): void {
    this.#noticeFreeze();
    const message = parseControl(body);
    if (message === undefined) return this.#metrics.malformed(EXCHANGES.control);
    if (message.kind === 'forget') this.view.forget(message.serverId);
    else if (this.#phase === 'introduced') this.#heartbeat.beatSoon();
  }

  /** A message on `dataServers`. */
  answerLocate(request: IncomingMessage): OutgoingMessage | undefined {
    this.#noticeFreeze();
    const onMalformed = () => this.#metrics.malformed(EXCHANGES.dataServers);
    return answerLocate({ own: this.own, catalog: this.#options.store, onMalformed }, request);
  }

  /** Another data server compares notes. It is believed only if it is the one that beats. */
  async reconcile(request: ReconcileRequest): Promise<ReconcileAnswer> {
    if (request.to !== this.own.serverId || request.toBoot !== this.own.bootId) {
      throw new GranaryError('data-server-unavailable', `This is ${this.own.serverId}, boot ${this.own.bootId}.`);
    }
    if (this.view.find(request.from)?.facts?.bootId !== request.fromBoot) {
      throw new GranaryError('data-server-unavailable', `Data server ${request.from} has not been heard here yet.`);
    }
    const verdicts = await this.#reconciler.compare(request.notes);
    if (request.done === true) this.#joining.heardDone(request.from, request.fromBoot);
    return { verdicts };
  }

  async #beat(): Promise<void> {
    if (this.#phase === 'introduced') await this.#heartbeat.beat();
  }

  #busChanged(status: BusStatus): void {
    this.view.busChanged(status);
    if (status === 'down') return this.#absence.begin(this.view.live);
    this.#absence.end();
    if (this.#phase === 'introduced') void this.beat();
    else if (this.#phase === 'waiting') void this.#introduceLate();
  }

  async #introduce(): Promise<void> {
    await this.#askForBeats();
    // After a pause of this process, a namesake that has beaten meanwhile is to be heard first.
    await new Promise<void>(resolve => startDeadline(LISTEN_MS, resolve));
    if (this.#namesake !== undefined) throw new ConfigError(this.#namesake);
    if (this.own.state === 'joining') this.#join('start');
    await this.#heartbeat.beat();
    this.#phase = 'introduced';
  }

  async #introduceLate(): Promise<void> {
    this.#phase = 'starting';
    try {
      await this.#introduce();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'this server stays unknown to the cluster; it must be stopped');
    }
  }

  #join(why: string): void {
    if (this.own.state === 'leaving' || isEmpty(this.#options.store)) return;
    this.#options.logger.info({ why }, 'joining the cluster');
    void this.#joining.begin();
  }

  async #askForBeats(): Promise<void> {
    const body = encodeControl({ kind: 'beat-now' });
    try {
      await this.#options.bus.publish(EXCHANGES.control, { body, ttlMs: this.#options.heartbeatIntervalMs });
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'the others cannot be asked to beat');
    }
  }

  #hearOwnId({ address, facts }: Beat): void {
    if (facts === undefined || facts.bootId === this.own.bootId || facts.state === 'leaving') return;
    this.#namesake = `A data server with the id ${facts.serverId} is alive already, at ${address}.`;
    if (this.#phase === 'introduced') this.#options.logger.error(this.#namesake);
  }

  /**
   * A process that was stopped for a while (SIGSTOP, a sleeping machine) may have been taken for gone,
   * and have missed writes. It must say so before it says anything else.
   */
  #noticeFreeze(): void {
    const nowMs = performance.now();
    const pausedMs = nowMs - this.#lastAwakeMs;
    this.#lastAwakeMs = nowMs;
    const mayHaveExpired = pausedMs > this.#options.serverExpiryMs - this.#options.heartbeatIntervalMs;
    if (mayHaveExpired && this.#phase === 'introduced') this.#join(`paused for ${Math.round(pausedMs)} ms`);
  }

  #ownStateChanged(): void {
    void this.#beat();
    this.#serversChanged();
  }

  #serversChanged(): void {
    this.#homes = undefined;
    this.#neighbours.retain(this.view.live);
    this.#joining.check();
    this.#reconciler.serversChanged();
    void this.#memberFile.save(this.view.known);
  }

  #report(event: ViewEvent): void {
    const { logger } = this.#options;
    const { key: server, address } = event.member;
    if (event.kind === 'dropped') this.#metrics.droppedBeats(event.reason);
    else if (event.kind === 'duplicate-id') {
      logger.error({ server, address, other: event.other.address }, 'two data servers go by one id');
    } else logger.info({ server, address }, `data server ${event.kind}`);
  }
}

function isUpWithin(bus: MessageBus, timeoutMs: number): Promise<boolean> {
  if (bus.status === 'up') return Promise.resolve(true);
  return new Promise(resolve => {
    const finish = (isUp: boolean) => {
      cancelDeadline();
      stop();
      resolve(isUp);
    };
    const cancelDeadline = startDeadline(timeoutMs, () => finish(false));
    const stop = bus.onStatus(status => status === 'up' && finish(true));
  });
}

function isEmpty(store: ShardCatalog): boolean {
  const [first] = store.entries();
  return first === undefined;
}
