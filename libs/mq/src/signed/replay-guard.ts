const REMEMBERED = 4096;

/** Remembers the nonces heard last. Only what is signed comes here, so nobody else can push out what it remembers. */
export class ReplayGuard {
  readonly #heard = new Set<string>();

  constructor(private readonly capacity = REMEMBERED) {}

  /** False if it was heard before. */
  accept(nonce: string): boolean {
    if (this.#heard.has(nonce)) return false;
    this.#heard.add(nonce);
    const [oldest] = this.#heard;
    if (this.#heard.size > this.capacity && oldest !== undefined) this.#heard.delete(oldest);
    return true;
  }
}
