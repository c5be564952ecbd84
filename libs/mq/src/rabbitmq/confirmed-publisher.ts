import type { ConfirmChannel, Options } from 'amqplib';
import { startDeadline } from '#time';

const CONFIRM_TIMEOUT_MS = 2000;
const MAX_UNCONFIRMED_MESSAGES = 4096;
const MAX_UNCONFIRMED_BYTES = 16 * 1024 * 1024;

/** Publishes on one channel; bounded in what the broker has not confirmed yet. */
export class ConfirmedPublisher {
  #unconfirmedMessages = 0;
  #unconfirmedBytes = 0;

  constructor(private readonly channel: ConfirmChannel) {}

  /** Resolves when the broker has routed the message; rejects after 2 s, or at once when it cannot be sent. */
  publish(exchange: string, routingKey: string, body: Buffer, options: Options.Publish): Promise<void> {
    return new Promise((resolve, reject) => {
      if (
        this.#unconfirmedMessages >= MAX_UNCONFIRMED_MESSAGES ||
        this.#unconfirmedBytes + body.length > MAX_UNCONFIRMED_BYTES
      ) {
        throw new Error(`The broker has not confirmed ${this.#unconfirmedMessages} messages yet.`);
      }
      const cancelDeadline = startDeadline(CONFIRM_TIMEOUT_MS, () => {
        reject(new Error(`The broker did not confirm a message within ${CONFIRM_TIMEOUT_MS} ms.`));
      });
      this.#unconfirmedMessages++;
      this.#unconfirmedBytes += body.length;
      const settle = (error: unknown): void => {
        cancelDeadline();
        this.#unconfirmedMessages--;
        this.#unconfirmedBytes -= body.length;
        if (error instanceof Error) reject(error);
        else resolve();
      };
      try {
        this.channel.publish(exchange, routingKey, body, options, settle);
      } catch (error) {
        settle(error);
      }
    });
  }
}
