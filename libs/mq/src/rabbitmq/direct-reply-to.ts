import type { Channel } from 'amqplib';
import type { IncomingMessage } from '../message-bus.js';
import type { LinkedConnection } from './broker-link.js';
import { incomingMessage } from './wire-message.js';

/** https://www.rabbitmq.com/docs/direct-reply-to: in a question, the broker puts the address of this channel's consumer in its place. */
export const DIRECT_REPLY_TO = 'amq.rabbitmq.reply-to';

/** Gives the channel a fresh reply address, and resolves to the tag that cancels it. */
export async function consumeReplies(
  connection: LinkedConnection,
  channel: Channel,
  onAnswer: (answer: IncomingMessage) => void,
): Promise<string> {
  const { consumerTag } = await channel.consume(
    DIRECT_REPLY_TO,
    message => {
      if (message === null) connection.fail('a reply consumer was cancelled');
      else onAnswer(incomingMessage(message));
    },
    { noAck: true },
  );
  return consumerTag;
}
