import { MAX_NOTES } from '#contracts';
import type { Member } from '#cluster';
import type { CatalogEntry } from '#storage';

/** Collects entries by the server they are for, and delivers them in batches as large as one request takes. */
export class Outbox {
  /** Keys of the servers to which a delivery failed. */
  readonly failed = new Set<string>();
  readonly #batches = new Map<string, { member: Member; entries: CatalogEntry[] }>();

  /** `deliver` resolves to false when the server takes nothing now; what else is for it is left out then. */
  constructor(private readonly deliver: (member: Member, entries: CatalogEntry[]) => Promise<boolean>) {}

  /** Returns a promise only when a batch is full: the caller has to wait for it then. */
  add(member: Member, entry: CatalogEntry): Promise<void> | undefined {
    if (this.failed.has(member.key)) return undefined;
    const batch = this.#batches.get(member.key) ?? { member, entries: [] };
    this.#batches.set(member.key, batch);
    batch.entries.push(entry);
    return batch.entries.length < MAX_NOTES ? undefined : this.#deliver(batch.member, batch.entries);
  }

  async flush(): Promise<void> {
    for (const { member, entries } of this.#batches.values()) await this.#deliver(member, entries);
  }

  async #deliver(member: Member, entries: CatalogEntry[]): Promise<void> {
    this.#batches.delete(member.key);
    if (!(await this.deliver(member, entries))) this.failed.add(member.key);
  }
}
