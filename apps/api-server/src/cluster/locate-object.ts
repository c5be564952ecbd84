import {
  EXCHANGES,
  GranaryError,
  MESSAGE_HEADERS,
  PROTOCOL_VERSION,
  encodeLocateRequest,
  parseLocateAnswer,
  type LocateAnswer,
  type ObjectName,
  type Stamp,
} from '#contracts';
import type { ClusterView, LogicalClock, Member } from '#cluster';
import type { IncomingMessage, MessageBus, Question } from '#mq';
import { withDeadline } from '#time';

export interface Located {
  /** Proven servers that have a copy, the newest first. A copy that was removed elsewhere later does not count. */
  holders: readonly Member[];
  /** Servers that may have a copy and did not say. Empty together with `holders`: nobody has one. */
  silent: readonly string[];
}

export interface LocateOptions {
  /** Wait for everyone's answer, instead of the first that is enough. */
  all?: boolean;
  /** Wait until no server of ours can have a newer copy: several have one while copies move home. */
  newest?: boolean;
  /** In this process's first seconds, do not wait for peers that have not been heard yet. */
  ignoreUnheardPeers?: boolean;
}

export type LocateObject = (name: ObjectName, options?: LocateOptions) => Promise<Located>;

/**
 * Asks all data servers with one message who has the object. Answered as soon as it can be: at the
 * first copy that is surely current, or when all living servers of ours have spoken; `timeoutMs`
 * after the question went out at the latest, and then with the names of those that kept silent. Only
 * answers from the addresses of proven members count, one each. Never rejects.
 */
export function createLocateObject(
  bus: MessageBus,
  view: ClusterView,
  clock: LogicalClock,
  timeoutMs: number,
): LocateObject {
  return async (name, options = {}) => {
    const poll = new Poll(view, clock, options);
    const request = { body: encodeLocateRequest(name), headers: ASKER_HEADERS, ttlMs: timeoutMs };
    const asking = bus.ask(EXCHANGES.dataServers, request, answer => poll.take(answer), { isolated: poll.awaitsPeers });
    try {
      await Promise.race([poll.decided, asking]);
      const isDecided = await withDeadline(timeoutMs, poll.decided, () => false);
      if (!isDecided) for (const member of poll.mute) view.doubt(member);
    } catch {
      // The bus is down: nobody was asked, and so everybody is silent.
    }
    void closeQuestion(asking);
    return poll.result();
  };
}

/** Never rejects. */
async function closeQuestion(asking: Promise<Question>): Promise<void> {
  try {
    (await asking).close();
  } catch {
    // It was never sent.
  }
}

/** What to tell a client when a name was not found, but not everybody said so. */
export function cannotTell(name: ObjectName, { silent }: Located): GranaryError {
  return new GranaryError(
    'data-server-unavailable',
    `Whether "${name}" exists cannot be told now: no word from ${silent.slice(0, 10).join(', ')}.`,
    { headers: { 'Retry-After': '1' } },
  );
}

const ASKER_HEADERS = { [MESSAGE_HEADERS.protocol]: PROTOCOL_VERSION, [MESSAGE_HEADERS.understandsNo]: 'yes' };

interface Copy {
  member: Member;
  stamp: Stamp;
}

/** The answers to one question. */
class Poll {
  /** A peer says nothing when it has nothing, so with peers about, only a yes or the deadline ends the wait. */
  readonly awaitsPeers: boolean;
  /** Resolves to true once more answers could change nothing. */
  readonly decided: Promise<true>;
  #decide: (decided: true) => void = () => {};
  readonly #copies: Copy[] = [];
  readonly #awaited: Set<string>;
  readonly #hasAnyone: boolean;
  readonly #answered = new Set<string>();
  readonly #takesFirst: boolean;
  readonly #takesNewest: boolean;
  #removedAt: Stamp = -1;
  #strangerHasIt = false;

  constructor(
    private readonly view: ClusterView,
    private readonly clock: LogicalClock,
    options: LocateOptions,
  ) {
    const isUnsettled = !view.isSettled && options.ignoreUnheardPeers !== true;
    this.awaitsPeers = view.peers.length > 0 || isUnsettled;
    this.#awaited = new Set(view.ours.filter(member => !member.suspect).map(member => member.key));
    this.#hasAnyone = view.ours.length + view.peers.length > 0;
    this.decided = new Promise(resolve => (this.#decide = resolve));
    this.#takesNewest = options.newest === true;
    this.#takesFirst = options.all !== true && !this.#takesNewest && !view.ours.some(isJoining);
    this.#decideIfPossible();
  }

  take(message: IncomingMessage): void {
    const answer = parseLocateAnswer(message.body, message.headers);
    if (answer === undefined) return;
    const member = this.view.at(answer.address);
    if (member === undefined) this.#strangerHasIt ||= answer.here && !this.view.isSettled;
    else if (isFrom(member, answer)) this.#count(member, answer);
  }

  result(): Located {
    const silent = this.#silent();
    const holders = this.#copies
      .filter(copy => this.#isCurrent(copy) && !(isJoining(copy.member) && silent.length > 0))
      .toSorted((a, b) => b.stamp - a.stamp)
      .map(copy => copy.member);
    return { holders, silent };
  }

  /** Servers of ours that live, for all we know, and were given all the time there is. */
  get mute(): Member[] {
    return this.view.ours.filter(member => this.#awaited.has(member.key));
  }

  /** What a peer holds has no stamp, and is not touched by removals. */
  #isCurrent({ member, stamp }: Copy): boolean {
    return member.kind === 'peer' || stamp > this.#removedAt;
  }

  #count(member: Member, { here, stamp }: LocateAnswer): void {
    if (this.#answered.has(member.key)) return;
    this.#answered.add(member.key);
    this.#awaited.delete(member.key);
    if (stamp !== undefined) this.clock.observe(stamp);
    if (here) this.#copies.push({ member, stamp: stamp ?? 0 });
    else this.#removedAt = Math.max(this.#removedAt, stamp ?? -1);
    this.#decideIfPossible();
  }

  #decideIfPossible(): void {
    const haveAllSpoken = this.#awaited.size === 0;
    const isEnough = this.#takesFirst || (this.#takesNewest && haveAllSpoken);
    const isFound = isEnough && this.#copies.some(copy => this.#isCurrent(copy));
    if (isFound || (!this.awaitsPeers && haveAllSpoken)) this.#decide(true);
  }

  #silent(): string[] {
    const live = this.view.ours.filter(member => !this.#answered.has(member.key)).map(member => member.key);
    const silent = [...live, ...this.view.missing];
    if (this.#strangerHasIt) silent.push('a server that has not proven itself yet');
    if (!this.#hasAnyone) silent.push('any data server');
    return silent;
  }
}

/** A process that has just taken over the server may hold outdated copies: it does not speak for the former. */
function isFrom({ facts }: Member, { serverId, bootId }: LocateAnswer): boolean {
  return facts?.serverId === serverId && facts?.bootId === bootId;
}

/** It may still hold what was removed or overwritten while it was away. */
function isJoining(member: Member): boolean {
  return member.facts?.state === 'joining';
}
