import type { Exchange } from '#contracts';
import { observing, type BusObservers } from '../bus-observers.js';
import { callGuarded, deliver } from '../deliver.js';
import type {
  BusStatus,
  IncomingMessage,
  MessageBus,
  OutgoingMessage,
  Question,
  Subscription,
} from '../message-bus.js';
import { MemoryHub } from './memory-hub.js';

/** The bus of servers that share a process. Buses on one hub hear each other. Always `up`, until closed. */
export class MemoryMessageBus implements MessageBus {
  readonly #hub: MemoryHub;
  readonly #observers: Required<BusObservers>;
  readonly #statusListeners = new Set<(status: BusStatus) => void>();
  readonly #closers = new Set<() => void>();
  #closed = false;
  #lastCorrelationId = 0;

  constructor(hub = new MemoryHub(), observers: BusObservers = {}) {
    this.#hub = hub;
    this.#observers = observing(observers);
  }

  async publish(exchange: Exchange, message: OutgoingMessage): Promise<void> {
    this.#requireOpen();
    this.#hub.publish(exchange, asReceived(message));
    this.#observers.metrics.published();
  }

  async subscribe(exchange: Exchange, handler: (message: IncomingMessage) => void): Promise<Subscription> {
    this.#requireOpen();
    let open = true;
    const unsubscribe = this.#hub.subscribe(exchange, message => {
      if (open) deliver(message, handler, this.#observers);
    });
    const close = this.#untilClosed(() => {
      open = false;
      unsubscribe();
    });
    return { close: async () => close() };
  }

  /** Every question has a reply address of its own, isolated or not. */
  async ask(
    exchange: Exchange,
    message: OutgoingMessage,
    onAnswer: (answer: IncomingMessage) => void,
  ): Promise<Question> {
    this.#requireOpen();
    const correlationId = `${++this.#lastCorrelationId}`;
    let open = true;
    const replyTo = this.#hub.openReplyAddress(answer => {
      const ours = answer.correlationId === undefined || answer.correlationId === correlationId;
      if (open && ours) deliver(answer, onAnswer, this.#observers);
      else this.#observers.metrics.dropped('late-answer');
    });
    const close = this.#untilClosed(() => {
      open = false;
      this.#hub.closeReplyAddress(replyTo);
    });
    try {
      this.#hub.publish(exchange, { ...asReceived(message), replyTo, correlationId });
    } catch (error) {
      close();
      throw error;
    }
    this.#observers.metrics.published();
    return { close };
  }

  async answer(question: IncomingMessage, message: OutgoingMessage): Promise<void> {
    this.#requireOpen();
    if (question.replyTo === undefined) throw new Error('The message asks for no answer.');
    const { correlationId } = question;
    this.#hub.reply(question.replyTo, {
      ...asReceived(message),
      ...(correlationId === undefined ? {} : { correlationId }),
    });
  }

  get status(): BusStatus {
    return this.#closed ? 'down' : 'up';
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  get reason(): string | undefined {
    return this.#closed ? 'closed' : undefined;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const close of this.#closers) close();
    for (const listener of this.#statusListeners) callGuarded(listener, 'down', this.#observers);
  }

  #requireOpen(): void {
    if (this.#closed) throw new Error('The message bus is closed.');
  }

  /** Returns the idempotent closer of something that the end of the bus closes too. */
  #untilClosed(close: () => void): () => void {
    const closer = (): void => {
      if (this.#closers.delete(closer)) close();
    };
    this.#closers.add(closer);
    return closer;
  }
}

function asReceived(message: OutgoingMessage): IncomingMessage {
  return { body: message.body, headers: message.headers ?? {} };
}
