import { GranaryError, type KeyHash } from '#contracts';
import type { Member } from '#cluster';
import type { CatalogEntry } from '#storage';
import type { BringHomeContext } from './bring-home.js';
import { ChangedNames } from './changed-names.js';
import type { Homes } from './homes.js';
import { Outbox } from './outbox.js';
import { readCatalog } from './read-catalog.js';

/**
 * Tells every joining server what is held here of the names that will be its own, once after it
 * appeared and then each change, so that it is not ready before it knows what it missed.
 */
export class JoinerTeller {
  /** By server id: for which boot, among which serving servers, it was told everything. */
  readonly #told = new Map<string, string>();
  readonly #changed = new ChangedNames();

  constructor(
    private readonly context: BringHomeContext,
    private readonly homes: () => Homes,
  ) {}

  /** Whoever is not joining any more will have to be told everything when it joins again. */
  serversChanged(): void {
    const { joiners } = this.homes();
    for (const key of this.#told.keys()) {
      if (!joiners.some(joiner => joiner.key === key)) this.#told.delete(key);
    }
  }

  /** Returns whether there is something to do about it. */
  nameChanged(hash: KeyHash): boolean {
    if (this.homes().mustHear(hash).length === 0) return false;
    this.#changed.add(hash);
    return true;
  }

  /** Resolves to whether nothing is left to be tried again. */
  async pass(): Promise<boolean> {
    const homes = this.homes();
    const isToldOfChanges = await this.#tellChanged(homes);
    if (this.#changed.takeOverflow()) this.#told.clear();
    const untold = homes.joiners.filter(joiner => this.#told.get(joiner.key) !== occasionOf(joiner, homes));
    const isToldAll = untold.length === 0 || (await this.#tellAll(homes, untold));
    return isToldOfChanges && isToldAll;
  }

  async #tellChanged(homes: Homes): Promise<boolean> {
    const outbox = this.#outbox();
    const entries = this.#changed.take(this.context.store);
    for (const entry of entries) {
      for (const joiner of homes.mustHear(entry.hash)) await outbox.add(joiner, entry);
    }
    await outbox.flush();
    // It will be told everything anew.
    for (const key of outbox.failed) this.#told.delete(key);
    return outbox.failed.size === 0;
  }

  async #tellAll(homes: Homes, joiners: readonly Member[]): Promise<boolean> {
    const outbox = this.#outbox();
    await readCatalog(
      this.context.store,
      entry => {
        const full = homes
          .mustHear(entry.hash)
          .filter(joiner => joiners.includes(joiner))
          .map(joiner => outbox.add(joiner, entry))
          .filter(delivery => delivery !== undefined);
        return full.length === 0 ? undefined : Promise.all(full).then(() => undefined);
      },
      () => this.context.signal.aborted,
    );
    await outbox.flush();
    const reached = joiners.filter(joiner => !outbox.failed.has(joiner.key));
    const informed = await Promise.all(reached.map(joiner => this.#sayDone(joiner, homes)));
    return reached.length === joiners.length && !informed.includes(false);
  }

  async #sayDone(joiner: Member, homes: Homes): Promise<boolean> {
    if (this.context.signal.aborted) return false;
    const isDone = await attempt(this.context, joiner, () => this.context.neighbours.sayDone(joiner));
    if (isDone) this.#told.set(joiner.key, occasionOf(joiner, homes));
    return isDone;
  }

  #outbox(): Outbox {
    return new Outbox((joiner, entries) => attempt(this.context, joiner, () => tell(this.context, joiner, entries)));
  }
}

function occasionOf(joiner: Member, homes: Homes): string {
  return `${joiner.facts?.bootId} ${homes.servingIds}`;
}

/** Of what the joiner holds in a newer version, the copy here is dropped; nothing is moved yet. */
async function tell(context: BringHomeContext, joiner: Member, entries: readonly CatalogEntry[]): Promise<void> {
  const verdicts = await context.neighbours.compare(joiner, entries);
  for (const [index, entry] of entries.entries()) {
    if (verdicts[index]?.is !== 'older') continue;
    await context.store.forget(entry.hash, entry.stamp);
    context.metrics.dropped.inc();
  }
}

async function attempt({ logger }: BringHomeContext, joiner: Member, action: () => Promise<void>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    if (!(error instanceof GranaryError)) throw error;
    logger.debug({ err: error, server: joiner.key }, 'a joining server could not be told');
    return false;
  }
}
