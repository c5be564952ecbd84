import type { ConsumeMessage, Options } from 'amqplib';
import type { IncomingMessage, OutgoingMessage } from '../message-bus.js';

/** No content type and no delivery mode: like other implementations, and transient by default. */
export function publishOptions(message: OutgoingMessage): Options.Publish {
  return {
    ...(message.headers === undefined ? {} : { headers: message.headers }),
    ...(message.ttlMs === undefined ? {} : { expiration: `${message.ttlMs}` }),
  };
}

export function incomingMessage({ content, properties }: ConsumeMessage): IncomingMessage {
  const replyTo: unknown = properties.replyTo;
  const correlationId: unknown = properties.correlationId;
  return {
    body: content,
    headers: properties.headers ?? {},
    ...(typeof replyTo === 'string' && replyTo !== '' ? { replyTo } : {}),
    ...(typeof correlationId === 'string' ? { correlationId } : {}),
  };
}
