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
import { BrokerLink, type LinkedConnection } from './broker-link.js';
import { ConsumingSide, type Consumer } from './consuming-side.js';
import { PublishingSide } from './publishing-side.js';
import { atMostEvery } from './rate-limit.js';

const PING_INTERVAL_MS = 1000;
const MAX_UNANSWERED_PINGS = 3;
const TICKS_PER_REASSERTION = 2;
const LOG_INTERVAL_MS = 10_000;
const DEFAULT_MAX_ISOLATED_QUESTIONS = 128;

export interface RabbitMessageBusOptions extends BusObservers {
  /** `amqp://user:password@host:port/vhost` */
  url: string;
  /** Shown in the broker's list of connections. */
  name: string;
  /** How many isolated questions may be open at once; each takes a channel, opened when first needed. */
  maxIsolatedQuestions?: number;
}

/**
 * The bus of servers that share a RabbitMQ, over two connections, one for each direction, so that a
 * blocked publisher still hears. Starts to connect at once and never stops trying. Every second it
 * pings itself through both connections, because a hung broker keeps its sockets open.
 */
export class RabbitMessageBus implements MessageBus {
  readonly #observers: Required<BusObservers>;
  readonly #maxIsolatedQuestions: number;
  readonly #publishingLink: BrokerLink;
  readonly #consumingLink: BrokerLink;
  readonly #consumers = new Set<Consumer>();
  readonly #statusListeners = new Set<(status: BusStatus) => void>();
  readonly #ticker: NodeJS.Timeout;
  /** Undefined while the connection is not there or not prepared. */
  #publishing: PublishingSide | undefined;
  #consuming: ConsumingSide | undefined;
  #blocked: string | undefined;
  #unansweredPings = 0;
  #ticks = 0;
  #status: BusStatus = 'down';
  #reason: string | undefined = 'not connected yet';
  #wasUp = false;
  #warned = false;
  #closed = false;
  #lastCorrelationId = 0;

  constructor(options: RabbitMessageBusOptions) {
    this.#observers = observing(options);
    this.#maxIsolatedQuestions = options.maxIsolatedQuestions ?? DEFAULT_MAX_ISOLATED_QUESTIONS;
    this.#publishingLink = new BrokerLink({
      url: options.url,
      name: `${options.name} publishing`,
      prepare: connection => this.#startPublishing(connection),
      onDown: reason => {
        this.#publishing = undefined;
        this.#blocked = undefined;
        this.#down(reason);
      },
      onBlocked: reason => this.#block(reason),
    });
    this.#consumingLink = new BrokerLink({
      url: options.url,
      name: `${options.name} consuming`,
      prepare: connection => this.#startConsuming(connection),
      onDown: reason => {
        this.#consuming = undefined;
        this.#down(reason);
      },
      onBlocked: () => undefined,
    });
    this.#ticker = setInterval(() => this.#tick(), PING_INTERVAL_MS);
  }

  get status(): BusStatus {
    return this.#status;
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  async publish(exchange: Exchange, message: OutgoingMessage): Promise<void> {
    await this.#requireUp().publish(exchange, message);
    this.#observers.metrics.published();
  }

  async subscribe(exchange: Exchange, handler: (message: IncomingMessage) => void): Promise<Subscription> {
    if (this.#closed) throw new Error('The message bus is closed.');
    const receive = (message: IncomingMessage): void => {
      if (this.#consumers.has(consumer)) deliver(message, handler, this.#observers);
    };
    const consumer: Consumer = { exchange, receive };
    this.#consumers.add(consumer);
    // When the connection fails meanwhile, the next one takes the consumer up.
    await this.#consuming?.add(consumer).catch(() => undefined);
    return {
      close: async () => {
        if (this.#consumers.delete(consumer)) await this.#consuming?.remove(consumer).catch(() => undefined);
      },
    };
  }

  async ask(
    exchange: Exchange,
    message: OutgoingMessage,
    onAnswer: (answer: IncomingMessage) => void,
    options: { isolated?: boolean } = {},
  ): Promise<Question> {
    const side = this.#requireUp();
    const questions = options.isolated === true ? side.isolatedQuestions : side.questions;
    const correlationId = `${++this.#lastCorrelationId}`;
    let open = true;
    const question = await questions.ask(exchange, message, correlationId, answer => {
      if (open) deliver(answer, onAnswer, this.#observers);
    });
    this.#observers.metrics.published();
    return {
      close: () => {
        open = false;
        question.close();
      },
    };
  }

  async answer(question: IncomingMessage, message: OutgoingMessage): Promise<void> {
    this.#requireUp().answer(question, message);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#ticker);
    this.#consumers.clear();
    this.#publishing = undefined;
    this.#consuming = undefined;
    this.#setStatus('down', 'closed');
    await Promise.all([this.#publishingLink.close(), this.#consumingLink.close()]);
  }

  async #startPublishing(connection: LinkedConnection): Promise<void> {
    const onLateAnswer = (): void => this.#observers.metrics.dropped('late-answer');
    this.#publishing = await PublishingSide.start(connection, this.#maxIsolatedQuestions, onLateAnswer);
    this.#ping();
  }

  async #startConsuming(connection: LinkedConnection): Promise<void> {
    const side = await ConsumingSide.start(connection, () => this.#pong());
    for (const consumer of this.#consumers) await side.add(consumer);
    this.#consuming = side;
    this.#ping();
  }

  #tick(): void {
    this.#ticks++;
    if (this.#unansweredPings >= MAX_UNANSWERED_PINGS) {
      const reason = `no ping came back from the broker for ${(MAX_UNANSWERED_PINGS * PING_INTERVAL_MS) / 1000} s`;
      this.#publishingLink.fail(reason);
      this.#consumingLink.fail(reason);
    }
    if (this.#ticks % TICKS_PER_REASSERTION === 0) void this.#consuming?.reassert().catch(() => undefined);
    this.#ping();
    if (this.#status === 'down') this.#warn();
  }

  /** Not while blocked: pings would pile up in the socket. */
  #ping(): void {
    if (this.#publishing === undefined || this.#consuming === undefined || this.#blocked !== undefined) return;
    this.#unansweredPings++;
    // What becomes of it is seen by whether it comes back.
    this.#publishing.ping(this.#consuming.pingQueue).catch(() => undefined);
  }

  #pong(): void {
    this.#unansweredPings = 0;
    if (this.#publishing !== undefined && this.#consuming !== undefined && this.#blocked === undefined) {
      this.#setStatus('up', undefined);
    }
  }

  #block(reason: string | undefined): void {
    this.#blocked = reason;
    this.#unansweredPings = 0;
    if (reason === undefined) this.#ping();
    else this.#down(`the broker takes no messages: ${reason}`);
  }

  #down(reason: string): void {
    this.#unansweredPings = 0;
    if (this.#closed) return;
    this.#setStatus('down', reason);
    this.#warn();
  }

  #setStatus(status: BusStatus, reason: string | undefined): void {
    this.#reason = reason;
    if (status === this.#status) return;
    this.#status = status;
    if (status === 'up') {
      if (this.#wasUp) this.#observers.metrics.reconnected();
      if (!this.#wasUp || this.#warned) this.#observers.logger.info({}, 'The message broker can be used.');
      this.#wasUp = true;
      this.#warned = false;
    }
    for (const listener of this.#statusListeners) callGuarded(listener, status, this.#observers);
  }

  readonly #warn = atMostEvery(LOG_INTERVAL_MS, () => {
    this.#warned = true;
    this.#observers.logger.warn({ reason: this.#reason }, 'The message broker cannot be used.');
  });

  #requireUp(): PublishingSide {
    if (this.#status === 'down' || this.#publishing === undefined) {
      throw new Error(`The message broker cannot be used: ${this.#reason}`);
    }
    return this.#publishing;
  }
}
