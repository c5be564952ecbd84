import type { KeyHash } from '#contracts';
import type { CatalogEntry, ShardCatalog } from '#storage';

const MAX_NAMES = 10_000;

/** Names to look at again. Bounded: past that, only a scan of everything will do. */
export class ChangedNames {
  readonly #hashes = new Set<KeyHash>();
  #overflowed = false;

  add(hash: KeyHash): void {
    if (this.#hashes.size < MAX_NAMES) this.#hashes.add(hash);
    else this.#overflowed = true;
  }

  get size(): number {
    return this.#hashes.size;
  }

  /** Whether some did not fit since this was last asked. */
  takeOverflow(): boolean {
    const overflowed = this.#overflowed;
    this.#overflowed = false;
    return overflowed;
  }

  /** What the catalog says of them now. */
  take(catalog: ShardCatalog): CatalogEntry[] {
    const entries = [...this.#hashes].map(hash => catalog.entry(hash)).filter(entry => entry !== undefined);
    this.#hashes.clear();
    return entries;
  }
}
