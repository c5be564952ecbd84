import type { ServerFacts } from '#contracts';

/** Boots remembered: many restarts of many servers; the oldest are forgotten first. */
const MAX_BOOTS = 4096;

/**
 * How far each boot of each server has counted its beats, so that a message from the past is known
 * for one: it also remembers servers that have left the view.
 */
export class BootLedger {
  readonly #sequences = new Map<string, number>();

  /** Why a beat must not be believed, or undefined. */
  staleness(facts: ServerFacts): 'retired-boot' | 'old-sequence' | undefined {
    const counted = this.#sequences.get(keyOf(facts));
    if (counted === undefined || facts.sequence > counted) return undefined;
    return counted === Infinity ? 'retired-boot' : 'old-sequence';
  }

  count(facts: ServerFacts): void {
    this.#set(facts, facts.sequence);
  }

  /** Another process has taken over this server's id; what this one said must not count any more. */
  retire(facts: ServerFacts): void {
    this.#set(facts, Infinity);
  }

  #set(facts: ServerFacts, sequence: number): void {
    const key = keyOf(facts);
    this.#sequences.delete(key);
    this.#sequences.set(key, sequence);
    for (const oldest of this.#sequences.keys()) {
      if (this.#sequences.size <= MAX_BOOTS) break;
      this.#sequences.delete(oldest);
    }
  }
}

function keyOf(facts: ServerFacts): string {
  return `${facts.serverId}/${facts.bootId}`;
}
