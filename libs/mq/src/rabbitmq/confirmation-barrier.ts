import type { ConfirmedPublisher } from './confirmed-publisher.js';

/**
 * Tells whether the broker still takes what is sent on a connection, for a tenth of what confirming
 * every question costs: all questions of one turn of the event loop share the confirmation of one
 * empty message that is sent behind them, to nobody.
 */
export class ConfirmationBarrier {
  #next: Promise<void> | undefined;

  constructor(private readonly publisher: ConfirmedPublisher) {}

  /** Resolves when the broker has read past what was published before; rejects after 2 s, or when the connection is lost. */
  pass(): Promise<void> {
    this.#next ??= this.#send();
    return this.#next;
  }

  async #send(): Promise<void> {
    await new Promise(setImmediate);
    this.#next = undefined;
    await this.publisher.publish('', NOBODY, EMPTY, {});
  }
}

const NOBODY = 'granary.barrier';
const EMPTY = Buffer.alloc(0);
