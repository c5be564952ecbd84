import type { Channel, Options } from 'amqplib';

/** Publishes on one channel without waiting for the broker, but no more than the channel has room for. */
export class UnconfirmedPublisher {
  #full = false;

  constructor(private readonly channel: Channel) {
    channel.on('drain', () => (this.#full = false));
  }

  /** Throws when it cannot be sent now. */
  publish(exchange: string, routingKey: string, body: Buffer, options: Options.Publish): void {
    if (this.#full) throw new Error('The broker does not keep up with what we send.');
    this.#full = !this.channel.publish(exchange, routingKey, body, options);
  }
}
