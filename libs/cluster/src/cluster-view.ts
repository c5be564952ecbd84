import type { Cluster, ClusterServer, Heartbeat, ServerState } from '#contracts';
import { BootLedger } from './boot-ledger.js';
import { KnownServers, type KnownServer } from './known-servers.js';
import type { LogicalClock } from './logical-clock.js';
import type { Member } from './member.js';
import { weightOf } from './placement.js';

export interface ClusterViewOptions {
  /** Whether the member's address answers as the server that the member claims to be. Must have a deadline; a rejection means that nobody answers there. */
  prove: (member: Member) => Promise<boolean>;
  /** Learns the clocks of proven servers. */
  clock: LogicalClock;
  /** A server silent for this long leaves the view. */
  expiryMs: number;
  /** A server of ours silent for this long is no longer missed. */
  forgetAfterMs: number;
  /** What an earlier process on this machine knew. */
  known?: readonly KnownServer[];
  /** How long after the bus first came up every living peer has been heard: their interval of 5 s, and some. */
  settleMs?: number;
  monotonicNowMs?: () => number;
  wallNowMs?: () => number;
  /** For the log and the metrics. */
  report?: (event: ViewEvent) => void;
}

export type DropReason =
  'retired-boot' | 'old-sequence' | 'address-taken' | 'view-full' | 'not-proven' | 'duplicate-id';

export type ViewEvent =
  | { kind: 'joined' | 'left' | 'suspected'; member: Member }
  | { kind: 'dropped'; reason: DropReason; member: Member }
  /** Two living processes go by one server id; `member` stays, `other` is refused. */
  | { kind: 'duplicate-id'; member: Member; other: Member };

export const MAX_VIEW_MEMBERS = 1024;
const MAX_EXAMINATIONS = 32;
/** A sweep that comes later than this shows that the process itself was stopped. */
const MIN_STOP_MS = 2000;
const FIRST_BACKOFF_MS = 250;
const LAST_BACKOFF_MS = 4000;
/** Of a server that keeps silent when asked this often in a row it is believed that another process goes by its id now. */
const MAX_SILENCES = 3;

/**
 * One server's picture of the live data servers, fed by heartbeats and by what connections show.
 * It is the truth about nothing: it says whom to ask.
 *
 * - A member silent for `expiryMs` leaves; not while the bus is down, nor for one expiry after, nor
 *   after this process itself was stopped: silence proves nothing then.
 * - Members are unproven until their address answers as who they claim to be. A process that takes
 *   over a server id, or moves to another address, is proven before it replaces the one before.
 * - A suspect (a connection to it failed) stays so until it answers; each beat gets it asked.
 * - Beats from the past (a retired boot, an old sequence) are dropped and counted.
 */
export class ClusterView {
  readonly #entries = new Map<string, Entry>();
  readonly #known: KnownServers;
  readonly #boots = new BootLedger();
  readonly #dropped = new Map<DropReason, number>();
  readonly #listeners = new Set<() => void>();
  readonly #options: ClusterViewOptions;
  readonly #nowMs: () => number;
  readonly #wallNowMs: () => number;

  #lists: MemberLists | undefined;
  #bus: 'up' | 'down' = 'down';
  #settledAtMs = Infinity;
  #frozenUntilMs = 0;
  #lastSweepMs: number;
  #examinations = 0;

  constructor(options: ClusterViewOptions) {
    this.#options = options;
    this.#nowMs = options.monotonicNowMs ?? (() => performance.now());
    this.#wallNowMs = options.wallNowMs ?? Date.now;
    this.#known = new KnownServers(options.known ?? [], options.forgetAfterMs);
    this.#lastSweepMs = this.#nowMs();
  }

  /** Takes in a parsed heartbeat. Never throws. */
  observe(beat: Heartbeat): void {
    const member = this.#memberOf(beat);
    const refusal = this.#refusalOf(member);
    if (refusal !== undefined) return this.#drop(refusal, member);
    const entry = this.#entries.get(member.key);
    if (entry === undefined) this.#admit(member);
    else if (isSameProcess(entry.member, member)) this.#renew(entry, member);
    else this.#challenge(entry, member);
  }

  /** To be called at least every second and every quarter of the expiry: lets the silent go, and asks the doubtful again. */
  sweep(): void {
    const nowMs = this.#nowMs();
    const wasStopped = nowMs - this.#lastSweepMs > Math.max(this.#options.expiryMs / 2, MIN_STOP_MS);
    if (wasStopped) this.#freeze(nowMs);
    this.#lastSweepMs = nowMs;
    this.#known.forgetSilent(this.#wallNowMs());
    if (this.#bus === 'up' && nowMs >= this.#frozenUntilMs) this.#expireSilent(nowMs);
    for (const entry of this.#entries.values()) this.#examine(entry);
    this.#lists = undefined;
  }

  busChanged(status: 'up' | 'down'): void {
    if (status === this.#bus) return;
    this.#bus = status;
    if (status === 'down') return;
    const nowMs = this.#nowMs();
    this.#settledAtMs = Math.min(this.#settledAtMs, nowMs + (this.#options.settleMs ?? 6000));
    this.#freeze(nowMs);
  }

  /** A connection to the member failed or timed out: the server's doing, never a client's. */
  suspect(member: Member): void {
    const entry = this.#entries.get(member.key);
    if (entry === undefined || entry.member.suspect || !isSameProcess(entry.member, member)) return;
    this.#replace(entry, { ...entry.member, suspect: true });
    entry.nextExamMs = this.#nowMs() + FIRST_BACKOFF_MS;
    entry.backoffMs = FIRST_BACKOFF_MS;
    this.#report({ kind: 'suspected', member: entry.member });
  }

  /** The member kept silent on the bus: it is asked, and becomes a suspect if it does not answer. */
  doubt(member: Member): void {
    const entry = this.#entries.get(member.key);
    if (entry === undefined || entry.doubted || !isSameProcess(entry.member, member)) return;
    entry.doubted = true;
    this.#examine(entry);
  }

  /** The member answered a request made after it was suspected. */
  answered(member: Member): void {
    const entry = this.#entries.get(member.key);
    if (entry === undefined || !entry.member.suspect || !isSameProcess(entry.member, member)) return;
    this.#replace(entry, { ...entry.member, suspect: false });
  }

  /** Every member that beats, of whatever kind and state. */
  get live(): readonly Member[] {
    return this.#derived().live;
  }

  /** Proven servers of ours. */
  get ours(): readonly Member[] {
    return this.#derived().ours;
  }

  /** Those of ours that can be a name's home: `ready` or `read-only`. A suspect keeps its place, or homes would move at each hiccup. */
  get homes(): readonly Member[] {
    return this.#derived().homes;
  }

  /** Proven servers of other implementations. */
  get peers(): readonly Member[] {
    return this.#derived().peers;
  }

  /** Ids of servers of ours that belong to the cluster, but are not proven to live now. What they hold, nobody can tell. */
  get missing(): readonly string[] {
    return this.#derived().missing;
  }

  /** False in the first seconds of this process, while a peer may live that has not been heard yet. */
  get isSettled(): boolean {
    return this.#nowMs() >= this.#settledAtMs;
  }

  find(key: string): Member | undefined {
    return this.#entries.get(key)?.member;
  }

  /** The proven member at an address. */
  at(address: string): Member | undefined {
    return this.#derived().byAddress.get(address);
  }

  /** Servers of ours that this one heard itself, living or not: what a data server announces and remembers. */
  get known(): KnownServer[] {
    return this.#known.list();
  }

  /**
   * An operator says that a missing server is gone for good. Other servers must be told too (ControlMessage).
   * One that still counts as living here is remembered again at its next beat, and forgotten if there is none.
   */
  forget(serverId: string): 'forgotten' | 'live' | 'unknown' {
    const wasMissing = this.missing.includes(serverId);
    this.#known.forget(serverId);
    for (const entry of this.#entries.values()) entry.member = withoutMember(entry.member, serverId);
    this.#lists = undefined;
    if (this.#entries.get(serverId)?.member.proven === true) return 'live';
    return wasMissing ? 'forgotten' : 'unknown';
  }

  /** Called when members came or went, were proven, or changed address, state or weight. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get dropped(): ReadonlyMap<DropReason, number> {
    return this.#dropped;
  }

  /** For people: `GET /cluster`. */
  snapshot(): Cluster {
    const nowMs = this.#nowMs();
    const servers = [...this.live.map(member => describe(member, nowMs)), ...this.missing.map(id => this.#lost(id))];
    return { broker: this.#bus, servers };
  }

  #memberOf({ address, facts }: Heartbeat): Member {
    return {
      key: facts?.serverId ?? `peer:${address}`,
      address,
      kind: facts === undefined ? 'peer' : 'granary',
      facts,
      lastBeatMs: this.#nowMs(),
      lastBeatAt: new Date(this.#wallNowMs()),
      proven: false,
      suspect: false,
    };
  }

  #refusalOf(member: Member): DropReason | undefined {
    if (member.facts !== undefined) {
      const staleness = this.#boots.staleness(member.facts);
      if (staleness !== undefined) return staleness;
    } else if (this.at(member.address)?.kind === 'granary') {
      return 'address-taken';
    }
    return this.#entries.size >= MAX_VIEW_MEMBERS && !this.#entries.has(member.key) ? 'view-full' : undefined;
  }

  #admit(member: Member): void {
    const entry = {
      member,
      challenger: undefined,
      silences: 0,
      doubted: false,
      examining: false,
      nextExamMs: 0,
      backoffMs: FIRST_BACKOFF_MS,
    };
    this.#entries.set(member.key, entry);
    this.#changed();
    this.#examine(entry);
  }

  #renew(entry: Entry, beat: Member): void {
    const { proven, suspect } = entry.member;
    this.#replace(entry, { ...beat, proven, suspect });
    if (beat.facts !== undefined) this.#boots.count(beat.facts);
    this.#remember(entry.member);
    if (suspect) entry.nextExamMs = 0;
    this.#examine(entry);
  }

  /**
   * The id's holder has another boot id or address than this beat. Usually it was restarted: at the
   * same address nothing is sent to it until that is settled, since it may have a past to catch up with.
   */
  #challenge(entry: Entry, challenger: Member): void {
    if (entry.challenger !== undefined && isOlderBeat(challenger, entry.challenger)) {
      return this.#drop('old-sequence', challenger);
    }
    if (entry.challenger === undefined || !isSameProcess(entry.challenger, challenger)) {
      entry.nextExamMs = 0;
      entry.backoffMs = FIRST_BACKOFF_MS;
    }
    entry.challenger = challenger;
    if (challenger.address === entry.member.address) this.#replace(entry, { ...entry.member, suspect: true });
    this.#examine(entry);
  }

  #examine(entry: Entry): void {
    const { proven, suspect } = entry.member;
    const isInDoubt = !proven || suspect || entry.doubted || entry.challenger !== undefined;
    if (!isInDoubt || entry.examining || this.#nowMs() < entry.nextExamMs) return;
    if (this.#examinations >= MAX_EXAMINATIONS || this.#entries.get(entry.member.key) !== entry) return;
    void this.#examineNow(entry);
  }

  /** Never rejects. */
  async #examineNow(entry: Entry): Promise<void> {
    this.#examinations += 1;
    entry.examining = true;
    const settled = await this.#settle(entry);
    this.#examinations -= 1;
    entry.examining = false;
    entry.nextExamMs = settled ? 0 : this.#nowMs() + entry.backoffMs;
    entry.backoffMs = settled ? FIRST_BACKOFF_MS : Math.min(entry.backoffMs * 2, LAST_BACKOFF_MS);
    this.#examine(entry);
  }

  /** Asks who is in doubt. Resolves to false when it must be asked again after a pause. Never rejects. */
  async #settle(entry: Entry): Promise<boolean> {
    const { member: holder, challenger } = entry;
    const [holderSays, challengerSays] = await Promise.all([
      this.#ask(holder),
      challenger === undefined ? 'nothing' : this.#ask(challenger),
    ]);
    const holderAnswers = holderSays === 'yes';
    const challengerAnswers = challengerSays === 'yes';
    entry.silences = holderSays === 'nothing' ? entry.silences + 1 : 0;
    entry.doubted = false;
    if (!isSameProcess(entry.member, holder) || this.#entries.get(holder.key) !== entry) return false;
    if (challenger !== undefined && challengerAnswers) {
      const isSameBoot = challenger.facts?.bootId === holder.facts?.bootId;
      if (isSameBoot || isSucceeded(entry, holderSays, challenger)) return this.#succeed(entry, challenger);
      if (holderAnswers) this.#report({ kind: 'duplicate-id', member: holder, other: challenger });
    }
    if (!holderAnswers) {
      if (entry.member.proven) this.suspect(entry.member);
      return false;
    }
    this.#accept(entry, entry.member);
    if (challenger === undefined) return true;
    this.#drop(challengerAnswers ? 'duplicate-id' : 'not-proven', challenger);
    entry.challenger = undefined;
    return false;
  }

  async #ask(member: Member): Promise<Answer> {
    try {
      return (await this.#options.prove(member)) ? 'yes' : 'no';
    } catch {
      return 'nothing';
    }
  }

  /** The challenger is who it says, and takes the holder's place. */
  #succeed(entry: Entry, challenger: Member): boolean {
    const latest = entry.challenger;
    const isLatest = latest !== undefined && isSameProcess(latest, challenger);
    const successor = isLatest ? latest : challenger;
    if (isLatest) entry.challenger = undefined;
    entry.silences = 0;
    this.#retire(entry.member, successor);
    this.#accept(entry, successor);
    return true;
  }

  #accept(entry: Entry, member: Member): void {
    const isNew = !entry.member.proven || !isSameProcess(entry.member, member);
    for (const other of this.#entries.values()) {
      if (other !== entry && other.member.address === member.address) this.#remove(other);
    }
    if (member.facts !== undefined) this.#boots.count(member.facts);
    this.#replace(entry, { ...member, proven: true, suspect: false });
    this.#remember(entry.member);
    if (isNew) this.#report({ kind: 'joined', member: entry.member });
  }

  #remember(member: Member): void {
    if (!member.proven || member.facts === undefined) return;
    this.#options.clock.observe(member.facts.clock);
    this.#known.heard({
      serverId: member.facts.serverId,
      address: member.address,
      lastSeenAtMs: member.lastBeatAt.getTime(),
    });
  }

  #retire(former: Member, successor: Member): void {
    if (former.facts !== undefined && former.facts.bootId !== successor.facts?.bootId) this.#boots.retire(former.facts);
  }

  #expireSilent(nowMs: number): void {
    for (const entry of this.#entries.values()) {
      if (nowMs - entry.member.lastBeatMs <= this.#options.expiryMs) continue;
      this.#remove(entry);
      if (entry.challenger !== undefined && nowMs - entry.challenger.lastBeatMs <= this.#options.expiryMs) {
        this.#retire(entry.member, entry.challenger);
        this.#admit(entry.challenger);
      }
    }
  }

  #freeze(nowMs: number): void {
    this.#frozenUntilMs = nowMs + this.#options.expiryMs;
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.member.key);
    this.#report({ kind: 'left', member: entry.member });
    this.#changed();
  }

  #replace(entry: Entry, member: Member): void {
    const before = entry.member;
    entry.member = member;
    this.#lists = undefined;
    if (isDifferentToOthers(before, member)) this.#changed();
  }

  #changed(): void {
    this.#lists = undefined;
    for (const listener of this.#listeners) listener();
  }

  #drop(reason: DropReason, member: Member): void {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1);
    this.#report({ kind: 'dropped', reason, member });
  }

  #report(event: ViewEvent): void {
    this.#options.report?.(event);
  }

  #lost(id: string): ClusterServer {
    const server = this.#known.get(id);
    const lastSeen =
      server === undefined
        ? {}
        : {
            address: server.address,
            lastBeatAt: new Date(server.lastSeenAtMs).toISOString(),
            lastBeatAgeMs: Math.max(0, Math.round(this.#wallNowMs() - server.lastSeenAtMs)),
          };
    return { id, kind: 'granary', state: 'missing', ...lastSeen };
  }

  #derived(): MemberLists {
    this.#lists ??= deriveLists(
      [...this.#entries.values()].map(entry => entry.member),
      this.#known.list(),
    );
    return this.#lists;
  }
}

interface Entry {
  member: Member;
  /** Who last beat under the same id from another process or address, until it is settled who is real. */
  challenger: Member | undefined;
  /** How often in a row it said nothing when it was asked who it is. */
  silences: number;
  /** Whether it is to be asked although no connection to it has failed. */
  doubted: boolean;
  examining: boolean;
  nextExamMs: number;
  backoffMs: number;
}

/** What an address says to the question whether it is a member. */
type Answer = 'yes' | 'no' | 'nothing';

interface MemberLists {
  live: readonly Member[];
  ours: readonly Member[];
  homes: readonly Member[];
  peers: readonly Member[];
  missing: readonly string[];
  byAddress: ReadonlyMap<string, Member>;
}

function deriveLists(live: readonly Member[], known: readonly KnownServer[]): MemberLists {
  const proven = live.filter(member => member.proven);
  const ours = proven.filter(member => member.kind === 'granary');
  const expected = new Set([
    ...known.map(server => server.serverId),
    ...ours.flatMap(member => member.facts?.members ?? []),
  ]);
  for (const member of ours) expected.delete(member.key);
  return {
    live,
    ours,
    homes: ours.filter(member => isHomeState(member.facts?.state)),
    peers: proven.filter(member => member.kind === 'peer'),
    missing: [...expected],
    byAddress: new Map(proven.map(member => [member.address, member])),
  };
}

function isHomeState(state: ServerState | undefined): boolean {
  return state === 'ready' || state === 'read-only';
}

function isSameProcess(a: Member, b: Member): boolean {
  return a.address === b.address && a.facts?.bootId === b.facts?.bootId;
}

/**
 * Whether the challenger, who is who it says, is what has become of the holder. One that says nothing at an address of
 * its own may only stand still for a second, and once it had been succeeded its beats would be those of a retired boot.
 */
function isSucceeded({ member, silences }: Entry, holderSays: Answer, challenger: Member): boolean {
  if (holderSays === 'yes') return false;
  const hasLeft = member.facts?.state === 'leaving';
  return holderSays === 'no' || hasLeft || member.address === challenger.address || silences >= MAX_SILENCES;
}

function isOlderBeat(beat: Member, than: Member): boolean {
  return (
    beat.facts !== undefined && beat.facts.bootId === than.facts?.bootId && beat.facts.sequence <= than.facts.sequence
  );
}

function isDifferentToOthers(before: Member, after: Member): boolean {
  return (
    !isSameProcess(before, after) ||
    before.proven !== after.proven ||
    before.facts?.state !== after.facts?.state ||
    weightOf(before) !== weightOf(after)
  );
}

function withoutMember(member: Member, serverId: string): Member {
  if (member.facts === undefined || !member.facts.members.includes(serverId)) return member;
  return { ...member, facts: { ...member.facts, members: member.facts.members.filter(id => id !== serverId) } };
}

function describe(member: Member, nowMs: number): ClusterServer {
  const { facts } = member;
  return {
    ...(facts === undefined ? {} : { id: facts.serverId }),
    address: member.address,
    kind: member.kind,
    state: !member.proven ? 'unproven' : member.suspect ? 'suspect' : (facts?.state ?? 'ready'),
    ...(facts?.reason === undefined ? {} : { reason: facts.reason }),
    ...(facts?.zone === undefined ? {} : { zone: facts.zone }),
    lastBeatAt: member.lastBeatAt.toISOString(),
    lastBeatAgeMs: Math.max(0, Math.round(nowMs - member.lastBeatMs)),
    ...(facts === undefined ? {} : { capacityBytes: facts.capacityBytes, usedBytes: facts.usedBytes }),
  };
}
