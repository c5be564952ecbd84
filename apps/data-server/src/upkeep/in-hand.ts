import type { KeyHash } from '#contracts';

/**
 * Names whose copy this server may be about to drop. About these it gives nobody an answer on which
 * they could drop theirs, or two servers that take each other for a name's home would both drop it.
 */
export class InHand {
  readonly #hashes = new Set<KeyHash>();

  /** Of the entries, those that were not in hand and now are. */
  take<T extends { hash: KeyHash }>(entries: readonly T[]): T[] {
    const taken = entries.filter(({ hash }) => !this.#hashes.has(hash));
    for (const { hash } of taken) this.#hashes.add(hash);
    return taken;
  }

  has(hash: KeyHash): boolean {
    return this.#hashes.has(hash);
  }

  release(hash: KeyHash): void {
    this.#hashes.delete(hash);
  }
}
