import type { Channel } from 'amqplib';
import type { Exchange } from '#contracts';
import type { IncomingMessage } from '../message-bus.js';
import type { LinkedConnection } from './broker-link.js';
import { declareExchanges } from './declare-exchanges.js';
import { incomingMessage } from './wire-message.js';

/** What a stalled server leaves at the broker is dropped there, oldest first: it is of no use later. */
const QUEUE_OPTIONS = {
  exclusive: true,
  autoDelete: true,
  durable: false,
  messageTtl: 5000,
  maxLength: 10_000,
  arguments: { 'x-max-length-bytes': 16 * 1024 * 1024, 'x-overflow': 'drop-head' },
};

export interface Consumer {
  exchange: Exchange;
  receive(message: IncomingMessage): void;
}

/** Everything that lives on one consuming connection, and ends with it. */
export class ConsumingSide {
  readonly #queues = new Map<Consumer, { queue: string; consumerTag: string }>();
  #pingQueue = '';

  private constructor(
    private readonly connection: LinkedConnection,
    private readonly channel: Channel,
  ) {}

  static async start(connection: LinkedConnection, onPing: () => void): Promise<ConsumingSide> {
    const side = new ConsumingSide(connection, await connection.openChannel());
    await declareExchanges(side.channel);
    side.#pingQueue = await side.#declareQueue();
    await side.#consume(side.#pingQueue, onPing);
    return side;
  }

  /** A message published to it on the default exchange is a ping. */
  get pingQueue(): string {
    return this.#pingQueue;
  }

  async add(consumer: Consumer): Promise<void> {
    const queue = await this.#declareQueue();
    await this.channel.bindQueue(queue, consumer.exchange, '');
    const consumerTag = await this.#consume(queue, message => consumer.receive(message));
    this.#queues.set(consumer, { queue, consumerTag });
  }

  async remove(consumer: Consumer): Promise<void> {
    const queue = this.#queues.get(consumer);
    if (queue === undefined) return;
    this.#queues.delete(consumer);
    // The queue deletes itself with its last consumer.
    await this.channel.cancel(queue.consumerTag);
  }

  /**
   * Declares and binds again what should be there. An exchange that somebody deleted took its bindings
   * along and told nobody; what is in place is left as it is.
   */
  async reassert(): Promise<void> {
    await declareExchanges(this.channel);
    for (const [{ exchange }, { queue }] of this.#queues) await this.channel.bindQueue(queue, exchange, '');
  }

  async #declareQueue(): Promise<string> {
    const { queue } = await this.channel.assertQueue('', QUEUE_OPTIONS);
    return queue;
  }

  async #consume(queue: string, receive: (message: IncomingMessage) => void): Promise<string> {
    const { consumerTag } = await this.channel.consume(
      queue,
      message => {
        if (message !== null) receive(incomingMessage(message));
        else this.connection.fail('the broker cancelled a consumer, so its queue is gone');
      },
      { noAck: true, exclusive: true },
    );
    return consumerTag;
  }
}
