import type { Channel } from 'amqplib';
import type { Exchange } from '#contracts';
import { startDeadline } from '#time';
import type { IncomingMessage, OutgoingMessage, Question } from '../message-bus.js';
import type { LinkedConnection } from './broker-link.js';
import type { ConfirmationBarrier } from './confirmation-barrier.js';
import { describeFailure } from './describe-failure.js';
import { consumeReplies, DIRECT_REPLY_TO } from './direct-reply-to.js';
import { UnconfirmedPublisher } from './unconfirmed-publisher.js';
import { publishOptions } from './wire-message.js';
import { within } from './within.js';

/** For a reply address and for the broker's confirmation together. */
const ASK_TIMEOUT_MS = 2000;
const MAX_WAITING = 1024;

/**
 * Questions whose answers are told apart by the address they come to alone. Each has a channel to
 * itself while it is open. Consuming anew from direct reply-to gives a channel a fresh address, and
 * the broker drops what still comes to the former one (docs/decisions/0002-message-bus.md).
 */
export class IsolatedQuestions {
  readonly #idle: ReplyAddress[] = [];
  readonly #waiting = new Set<(address: ReplyAddress) => void>();
  #addresses = 0;

  constructor(
    private readonly connection: LinkedConnection,
    private readonly barrier: ConfirmationBarrier,
    private readonly maxAddresses: number,
    private readonly onLateAnswer: () => void,
  ) {}

  async ask(
    exchange: Exchange,
    message: OutgoingMessage,
    correlationId: string,
    onAnswer: (answer: IncomingMessage) => void,
  ): Promise<Question> {
    const deadlineMs = performance.now() + ASK_TIMEOUT_MS;
    const address = this.#idle.pop() ?? (await this.#nextFree());
    address.onAnswer = onAnswer;
    const close = (): void => {
      if (address.onAnswer !== onAnswer) return;
      address.onAnswer = this.onLateAnswer;
      void this.#renew(address);
    };
    const options = { ...publishOptions(message), replyTo: DIRECT_REPLY_TO, correlationId };
    try {
      address.publisher.publish(exchange, '', message.body, options);
      await within(deadlineMs - performance.now(), 'confirming the question', this.barrier.pass());
    } catch (error) {
      close();
      throw error;
    }
    return { close };
  }

  #nextFree(): Promise<ReplyAddress> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size >= MAX_WAITING) throw new Error(`${MAX_WAITING} questions already wait for an address.`);
      const take = (address: ReplyAddress): void => {
        cancelDeadline();
        resolve(address);
      };
      const cancelDeadline = startDeadline(ASK_TIMEOUT_MS, () => {
        this.#waiting.delete(take);
        reject(new Error(`No reply address was free within ${ASK_TIMEOUT_MS} ms.`));
      });
      this.#waiting.add(take);
      if (this.#addresses < this.maxAddresses) void this.#addAddress();
    });
  }

  async #addAddress(): Promise<void> {
    this.#addresses++;
    try {
      this.#free(await ReplyAddress.open(this.connection));
    } catch (error) {
      this.connection.fail(`a reply address could not be made: ${describeFailure(error)}`);
    }
  }

  async #renew(address: ReplyAddress): Promise<void> {
    try {
      await address.renew();
      this.#free(address);
    } catch (error) {
      this.connection.fail(`a reply address could not be renewed: ${describeFailure(error)}`);
    }
  }

  #free(address: ReplyAddress): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#idle.push(address);
    } else {
      this.#waiting.delete(next);
      next(address);
    }
  }
}

class ReplyAddress {
  onAnswer: (answer: IncomingMessage) => void = () => undefined;
  readonly publisher: UnconfirmedPublisher;
  #consumerTag = '';

  private constructor(
    private readonly connection: LinkedConnection,
    private readonly channel: Channel,
  ) {
    this.publisher = new UnconfirmedPublisher(channel);
  }

  static async open(connection: LinkedConnection): Promise<ReplyAddress> {
    const address = new ReplyAddress(connection, await connection.openChannel());
    await address.#consume();
    return address;
  }

  async renew(): Promise<void> {
    await this.channel.cancel(this.#consumerTag);
    await this.#consume();
  }

  async #consume(): Promise<void> {
    this.#consumerTag = await consumeReplies(this.connection, this.channel, answer => this.onAnswer(answer));
  }
}
