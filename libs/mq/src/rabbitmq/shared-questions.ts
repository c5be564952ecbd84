import type { Exchange } from '#contracts';
import type { IncomingMessage, OutgoingMessage, Question } from '../message-bus.js';
import type { LinkedConnection } from './broker-link.js';
import type { ConfirmationBarrier } from './confirmation-barrier.js';
import { consumeReplies, DIRECT_REPLY_TO } from './direct-reply-to.js';
import { UnconfirmedPublisher } from './unconfirmed-publisher.js';
import { publishOptions } from './wire-message.js';

const MAX_OPEN_QUESTIONS = 10_000;

/** Questions that share one channel and its reply address, told apart by their correlation ids. */
export class SharedQuestions {
  readonly #open = new Map<string, (answer: IncomingMessage) => void>();

  private constructor(
    private readonly publisher: UnconfirmedPublisher,
    private readonly barrier: ConfirmationBarrier,
    private readonly onLateAnswer: () => void,
  ) {}

  static async start(
    connection: LinkedConnection,
    barrier: ConfirmationBarrier,
    onLateAnswer: () => void,
  ): Promise<SharedQuestions> {
    const channel = await connection.openChannel();
    const questions = new SharedQuestions(new UnconfirmedPublisher(channel), barrier, onLateAnswer);
    await consumeReplies(connection, channel, answer => questions.#receive(answer));
    return questions;
  }

  async ask(
    exchange: Exchange,
    message: OutgoingMessage,
    correlationId: string,
    onAnswer: (answer: IncomingMessage) => void,
  ): Promise<Question> {
    if (this.#open.size >= MAX_OPEN_QUESTIONS) throw new Error(`${MAX_OPEN_QUESTIONS} questions are open already.`);
    this.#open.set(correlationId, onAnswer);
    const close = (): void => void this.#open.delete(correlationId);
    const options = { ...publishOptions(message), replyTo: DIRECT_REPLY_TO, correlationId };
    try {
      this.publisher.publish(exchange, '', message.body, options);
      await this.barrier.pass();
    } catch (error) {
      close();
      throw error;
    }
    return { close };
  }

  #receive(answer: IncomingMessage): void {
    const onAnswer = answer.correlationId === undefined ? undefined : this.#open.get(answer.correlationId);
    if (onAnswer === undefined) this.onLateAnswer();
    else onAnswer(answer);
  }
}
