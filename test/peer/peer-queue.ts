import { connect, type ChannelModel, type Channel } from 'amqplib';
import { decodeJsonString, encodeJsonString } from './json-string.js';

/**
 * A peer's end of the broker: a connection, a channel and one server-named queue, auto-delete, not
 * exclusive, consumed without acknowledgements. Its name is the `reply_to` of every message sent;
 * no other property is set. Exchanges are never declared: a missing one is fatal.
 */
export class PeerQueue {
  private closing = false;

  private constructor(
    private readonly connection: ChannelModel,
    private readonly channel: Channel,
    readonly name: string,
    private readonly onFatal: (error: Error) => void,
  ) {}

  static async open(brokerUrl: string, onFatal: (error: Error) => void): Promise<PeerQueue> {
    const connection = await connect(brokerUrl);
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: false, autoDelete: true, durable: false });
    const opened = new PeerQueue(connection, channel, queue, onFatal);
    connection.on('error', opened.fail);
    connection.on('close', () => opened.fail(new Error('the broker closed the connection')));
    channel.on('error', opened.fail);
    return opened;
  }

  /** Rejects when the exchange does not exist. */
  async bind(exchange: string): Promise<void> {
    await this.channel.bindQueue(this.name, exchange, '');
  }

  /** Any body that is no JSON string is fatal. */
  async consume(onText: (text: string, replyTo: string) => void): Promise<void> {
    await this.channel.consume(
      this.name,
      message => {
        if (message === null) return this.fail(new Error('the consumer was cancelled'));
        try {
          onText(decodeJsonString(message.content), String(message.properties.replyTo ?? ''));
        } catch (error) {
          this.fail(error instanceof Error ? error : new Error(String(error)));
        }
      },
      { noAck: true },
    );
  }

  publish(exchange: string, text: string): void {
    this.send(exchange, '', text);
  }

  /** To a queue, over the default exchange. */
  reply(queue: string, text: string): void {
    this.send('', queue, text);
  }

  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    await this.connection.close().catch(() => undefined);
  }

  private send(exchange: string, routingKey: string, text: string): void {
    if (!this.closing) this.channel.publish(exchange, routingKey, encodeJsonString(text), { replyTo: this.name });
  }

  private readonly fail = (error: Error): void => {
    if (!this.closing) this.onFatal(error);
  };
}
