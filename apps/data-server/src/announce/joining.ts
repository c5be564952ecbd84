import type { Member } from '#cluster';
import type { Logger } from '#telemetry';
import { startDeadline, type Cancel } from '#time';
import type { OwnServer } from './own-server.js';

export interface JoiningOptions {
  own: OwnServer;
  /** Everyone who beats, proven or not. */
  live: () => readonly Member[];
  /** Ids of servers that belong to the cluster and are not heard. */
  missing: () => readonly string[];
  /** Asks all servers to beat now. Never rejects. */
  askForBeats: () => Promise<void>;
  logger: Logger;
  nowMs?: () => number;
}

/** Long enough for everyone alive to beat when asked. */
export const LISTEN_MS = 200;
/** How long missing servers are waited for: those that start together with this one. */
export const GATHER_MS = 1500;
/** Ready after that, come what may. */
export const DEADLINE_MS = 8000;

/**
 * A server that was away may hold outdated copies of names whose home it is. So it is `joining` at
 * first: nobody's home, until every living server has told it what it missed. Nobody waits for
 * another to be ready, so servers that start together cannot wait for each other in a circle.
 */
export class Joining {
  readonly #done = new Map<string, string>();
  readonly #nowMs: () => number;
  #begunAtMs: number | undefined;
  #cancels: readonly Cancel[] = [];

  constructor(private readonly options: JoiningOptions) {
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /** To be called when the bus is up: only then the others can be heard. Idempotent while it is underway. */
  async begin(): Promise<void> {
    if (this.#begunAtMs !== undefined) return;
    this.#done.clear();
    this.#begunAtMs = this.#nowMs();
    this.options.own.setJoining(true);
    // After a pause of this process, who has beaten meanwhile is to be heard first.
    this.#cancels = [LISTEN_MS, GATHER_MS, DEADLINE_MS].map(ms => startDeadline(ms, () => this.check()));
    await this.options.askForBeats();
  }

  /** Another server has told everything it has to tell. */
  heardDone(serverId: string, bootId: string): void {
    this.#done.set(serverId, bootId);
    this.check();
  }

  /** To be called when the view changed. */
  check(): void {
    if (this.#begunAtMs === undefined) return;
    const elapsedMs = this.#nowMs() - this.#begunAtMs;
    if (elapsedMs < DEADLINE_MS && !this.#hasHeardAll(elapsedMs)) return;
    const silent = this.#silent().map(member => member.key);
    this.options.logger.info({ elapsedMs: Math.round(elapsedMs), silent }, 'joined the cluster');
    this.stop();
    this.options.own.setJoining(false);
  }

  /** Leaves the state as it is. */
  stop(): void {
    this.#begunAtMs = undefined;
    for (const cancel of this.#cancels) cancel();
  }

  #hasHeardAll(elapsedMs: number): boolean {
    if (elapsedMs < LISTEN_MS || this.#silent().length > 0) return false;
    return elapsedMs >= GATHER_MS || this.options.missing().length === 0;
  }

  /** Who lives and has not told us everything. A server that cannot be reached is not waited for. */
  #silent(): Member[] {
    return this.options.live().filter(({ key, facts, suspect }) => {
      if (facts === undefined || suspect || facts.state === 'leaving') return false;
      return this.#done.get(key) !== facts.bootId;
    });
  }
}
