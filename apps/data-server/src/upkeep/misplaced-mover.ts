import type { KeyHash } from '#contracts';
import type { Member } from '#cluster';
import type { CatalogEntry } from '#storage';
import { bringHome, type BringHomeContext } from './bring-home.js';
import { ChangedNames } from './changed-names.js';
import type { Homes } from './homes.js';
import { Outbox } from './outbox.js';
import { readCatalog } from './read-catalog.js';

/**
 * Keeps every copy and tombstone at its home: after a change of the set of servers it looks at
 * everything held here, after a change of one name at that name. While all is where it belongs it
 * does nothing and sends nothing.
 */
export class MisplacedMover {
  readonly #changed = new ChangedNames();
  #isScanDue = true;

  constructor(
    private readonly context: BringHomeContext,
    private readonly homes: () => Homes,
  ) {}

  serversChanged(): void {
    this.#isScanDue = true;
  }

  /** Returns whether there is something to do about it. */
  nameChanged(hash: KeyHash): boolean {
    if (this.homes().moveTo(hash) === undefined) return false;
    this.#changed.add(hash);
    return true;
  }

  /** Resolves to whether nothing is left to be tried again. */
  async pass(): Promise<boolean> {
    const failedScan = this.#isScanDue && !(await this.#scan());
    await this.#moveChanged();
    this.#isScanDue ||= failedScan || this.#changed.takeOverflow();
    return !this.#isScanDue && this.#changed.size === 0;
  }

  async #scan(): Promise<boolean> {
    this.#isScanDue = false;
    this.context.metrics.scans.inc();
    const homes = this.homes();
    const outbox = this.#outbox();
    await readCatalog(
      this.context.store,
      entry => {
        const home = homes.moveTo(entry.hash);
        return home && outbox.add(home, entry);
      },
      () => this.#isScanDue || this.context.signal.aborted,
    );
    // When the servers changed meanwhile, what was collected may have other homes now.
    if (!this.#isScanDue) await outbox.flush();
    return outbox.failed.size === 0;
  }

  async #moveChanged(): Promise<void> {
    const homes = this.homes();
    const outbox = this.#outbox();
    for (const entry of this.#changed.take(this.context.store)) {
      const home = homes.moveTo(entry.hash);
      if (home !== undefined) await outbox.add(home, entry);
    }
    await outbox.flush();
  }

  #outbox(): Outbox {
    return new Outbox((home, entries) => this.#move(home, entries));
  }

  async #move(home: Member, entries: readonly CatalogEntry[]): Promise<boolean> {
    const { unsettled, homeFailed } = await bringHome(this.context, home, entries);
    for (const { hash } of unsettled) this.#changed.add(hash);
    return !homeFailed;
  }
}
