import { FRAMES_VERSION, type ServerFacts, type ServerState, type Stamp } from '#contracts';
import { weightOf, type LogicalClock, type Member } from '#cluster';
import type { StoreUsage } from '#storage';

export interface OwnServerOptions {
  serverId: string;
  bootId: string;
  /** Where the others reach it. */
  address: string;
  clock: LogicalClock;
  usage: StoreUsage;
  /** Servers of one zone may fail together. */
  zone?: string | undefined;
}

/** What this data server is to the others: its identity, its state, its facts. */
export class OwnServer {
  readonly serverId: string;
  readonly bootId: string;
  readonly address: string;
  readonly #zone: string | undefined;
  readonly #clock: LogicalClock;
  readonly #listeners = new Set<() => void>();
  #usage: StoreUsage;
  #isJoining = false;
  #isLeaving = false;

  constructor({ serverId, bootId, address, clock, usage, zone }: OwnServerOptions) {
    this.serverId = serverId;
    this.bootId = bootId;
    this.address = address;
    this.#clock = clock;
    this.#usage = usage;
    this.#zone = zone;
  }

  get state(): ServerState {
    if (this.#isLeaving) return 'leaving';
    if (this.#isJoining) return 'joining';
    return this.#usage.readOnlyReason === undefined ? 'ready' : 'read-only';
  }

  /** Why the state is not `ready`, for people. */
  get reason(): string | undefined {
    if (this.#isLeaving) return 'shutting down';
    if (this.#isJoining) return 'comparing notes with the other servers';
    return this.#usage.readOnlyReason;
  }

  setJoining(isJoining: boolean): void {
    this.#change(() => (this.#isJoining = isJoining));
  }

  /** For good. */
  setLeaving(): void {
    this.#change(() => (this.#isLeaving = true));
  }

  setUsage(usage: StoreUsage): void {
    this.#change(() => (this.#usage = usage));
  }

  facts(sequence: number, members: readonly string[]): ServerFacts {
    const { reason } = this;
    return {
      serverId: this.serverId,
      bootId: this.bootId,
      sequence,
      state: this.state,
      ...(reason === undefined ? {} : { reason }),
      capacityBytes: this.#usage.capacityBytes,
      usedBytes: this.#usage.usedBytes,
      clock: this.clock,
      members,
      framesVersion: FRAMES_VERSION,
      ...(this.#zone === undefined ? {} : { zone: this.#zone }),
    };
  }

  get clock(): Stamp {
    return this.#clock.last;
  }

  /** This server as placement ranks it. */
  asMember(): Member {
    return {
      key: this.serverId,
      address: this.address,
      kind: 'granary',
      facts: this.facts(0, []),
      lastBeatMs: 0,
      lastBeatAt: new Date(0),
      proven: true,
      suspect: false,
    };
  }

  /** Called when the state or the weight changed. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #change(apply: () => void): void {
    const before = `${this.state} ${weightOf(this.asMember())}`;
    apply();
    if (`${this.state} ${weightOf(this.asMember())}` === before) return;
    for (const listener of this.#listeners) listener();
  }
}
