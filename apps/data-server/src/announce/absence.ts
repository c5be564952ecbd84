import type { Heartbeat } from '#contracts';
import type { Member } from '#cluster';

/**
 * Tells whether the others went on without this server while it did not hear the broker. If the broker
 * was away from everyone, nothing was beaten, and nothing was missed; if only this server was cut off,
 * the others have counted their beats on, and may have chosen other homes for its names.
 */
export class Absence {
  #sequences: ReadonlyMap<string, number> | undefined;
  #beganAtMs = 0;
  #durationMs = 0;

  constructor(
    private readonly heartbeatIntervalMs: number,
    /** Shorter absences do not matter: nobody has been taken for gone. */
    private readonly expiryMs: number,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  begin(others: readonly Member[]): void {
    const counted = others.flatMap(({ facts }) =>
      facts === undefined ? [] : [[bootOf(facts), facts.sequence] as const],
    );
    this.#sequences = new Map(counted);
    this.#beganAtMs = this.nowMs();
    this.#durationMs = Infinity;
  }

  end(): void {
    this.#durationMs = this.nowMs() - this.#beganAtMs;
    if (this.#durationMs < this.expiryMs - this.heartbeatIntervalMs) this.#sequences = undefined;
  }

  /** Whether this beat shows that its sender went on. True at most once per absence. */
  isRevealedBy({ facts }: Heartbeat): boolean {
    const before = facts && this.#sequences?.get(bootOf(facts));
    if (facts === undefined || before === undefined) return false;
    // On a common return each beats a few times at once: for its state, and for those who ask.
    const isRevealed = facts.sequence - before > SOME_BEATS + this.#durationMs / this.heartbeatIntervalMs / 2;
    if (isRevealed) this.#sequences = undefined;
    return isRevealed;
  }
}

const SOME_BEATS = 2;

function bootOf({ serverId, bootId }: { serverId: string; bootId: string }): string {
  return `${serverId}/${bootId}`;
}
