import type { Exchange } from '#contracts';
import type { IncomingMessage } from '../message-bus.js';

type Receiver = (message: IncomingMessage) => void;

const MAX_MESSAGES_UNDERWAY = 10_000;

/**
 * What the broker is to servers of their own, for buses in one process: exchanges and reply
 * addresses. Delivers asynchronously and in order, as one turn of the event loop each.
 */
export class MemoryHub {
  readonly #subscribers = new Map<Exchange, Set<Receiver>>();
  readonly #replyAddresses = new Map<string, Receiver>();
  #lastReplyAddress = 0;
  #underway = 0;

  subscribe(exchange: Exchange, receiver: Receiver): () => void {
    const receivers = this.#subscribers.get(exchange) ?? new Set();
    this.#subscribers.set(exchange, receivers.add(receiver));
    return () => receivers.delete(receiver);
  }

  openReplyAddress(receiver: Receiver): string {
    const address = `memory.reply.${++this.#lastReplyAddress}`;
    this.#replyAddresses.set(address, receiver);
    return address;
  }

  closeReplyAddress(address: string): void {
    this.#replyAddresses.delete(address);
  }

  /** Throws when too many messages are underway. */
  publish(exchange: Exchange, message: IncomingMessage): void {
    // Those present now, not those present at delivery: a later subscriber gets no message from the past.
    const receivers = [...(this.#subscribers.get(exchange) ?? [])];
    this.#later(() => {
      for (const receiver of receivers) receiver(message);
    });
  }

  /** Throws when too many messages are underway. */
  reply(address: string, message: IncomingMessage): void {
    this.#later(() => this.#replyAddresses.get(address)?.(message));
  }

  #later(deliver: () => void): void {
    if (this.#underway >= MAX_MESSAGES_UNDERWAY) {
      throw new Error(`${MAX_MESSAGES_UNDERWAY} messages are underway already.`);
    }
    this.#underway++;
    setImmediate(() => {
      this.#underway--;
      deliver();
    });
  }
}
