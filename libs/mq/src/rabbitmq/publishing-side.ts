import type { Exchange } from '#contracts';
import type { IncomingMessage, OutgoingMessage } from '../message-bus.js';
import type { LinkedConnection } from './broker-link.js';
import { ConfirmationBarrier } from './confirmation-barrier.js';
import { ConfirmedPublisher } from './confirmed-publisher.js';
import { declareExchanges } from './declare-exchanges.js';
import { IsolatedQuestions } from './isolated-questions.js';
import { SharedQuestions } from './shared-questions.js';
import { UnconfirmedPublisher } from './unconfirmed-publisher.js';
import { publishOptions } from './wire-message.js';

/** Everything that lives on one publishing connection, and ends with it. */
export class PublishingSide {
  private constructor(
    private readonly publisher: ConfirmedPublisher,
    private readonly answers: UnconfirmedPublisher,
    readonly questions: SharedQuestions,
    readonly isolatedQuestions: IsolatedQuestions,
  ) {}

  static async start(
    connection: LinkedConnection,
    maxIsolatedQuestions: number,
    onLateAnswer: () => void,
  ): Promise<PublishingSide> {
    const channel = await connection.openConfirmChannel();
    await declareExchanges(channel);
    const publisher = new ConfirmedPublisher(channel);
    const barrier = new ConfirmationBarrier(publisher);
    return new PublishingSide(
      publisher,
      new UnconfirmedPublisher(await connection.openChannel()),
      await SharedQuestions.start(connection, barrier, onLateAnswer),
      new IsolatedQuestions(connection, barrier, maxIsolatedQuestions, onLateAnswer),
    );
  }

  publish(exchange: Exchange, message: OutgoingMessage): Promise<void> {
    return this.publisher.publish(exchange, '', message.body, publishOptions(message));
  }

  answer(question: IncomingMessage, message: OutgoingMessage): void {
    if (question.replyTo === undefined) throw new Error('The message asks for no answer.');
    const { correlationId } = question;
    const options = { ...publishOptions(message), ...(correlationId === undefined ? {} : { correlationId }) };
    this.answers.publish('', question.replyTo, message.body, options);
  }

  ping(queue: string): Promise<void> {
    return this.publisher.publish('', queue, Buffer.alloc(0), {});
  }
}
