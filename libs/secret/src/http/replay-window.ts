/** Requests overtake each other by as many as are on their way at once, on all connections. */
const WINDOW = 8192;
const WORD_BITS = 32;

/** Which numbers of an increasing sequence have been used, in 1 KiB (RFC 4303 §3.4.3 does it so for packets). */
export class ReplayWindow {
  readonly #words = new Uint32Array(WINDOW / WORD_BITS);
  #highest = 0;

  /** Uses the number. `seen`: it was used before. `too-old`: it may have been. */
  accept(count: number): 'new' | 'seen' | 'too-old' {
    if (count <= this.#highest - WINDOW) return 'too-old';
    if (count > this.#highest) this.#moveTo(count);
    const at = count % WINDOW;
    const [word, bit] = [Math.floor(at / WORD_BITS), 1 << (at % WORD_BITS)];
    const present = this.#words[word] ?? 0;
    if ((present & bit) !== 0) return 'seen';
    this.#words[word] = present | bit;
    return 'new';
  }

  #moveTo(count: number): void {
    if (count - this.#highest >= WINDOW) this.#words.fill(0);
    else for (let number = this.#highest + 1; number <= count; number += 1) this.#clear(number % WINDOW);
    this.#highest = count;
  }

  #clear(at: number): void {
    const word = Math.floor(at / WORD_BITS);
    this.#words[word] = (this.#words[word] ?? 0) & ~(1 << (at % WORD_BITS));
  }
}
