import type { Channel } from 'amqplib';
import { EXCHANGES } from '#contracts';

/** Peers do not declare them, and fail without them. Rejects (and the channel is closed) when one exists otherwise. */
export async function declareExchanges(channel: Channel): Promise<void> {
  for (const exchange of Object.values(EXCHANGES)) {
    await channel.assertExchange(exchange, 'fanout', { durable: true });
  }
}
