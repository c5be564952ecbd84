import { connect } from 'amqplib';

/** The two exchanges of the protocol, for tests in which none of our servers has declared them yet. */
export async function declareExchanges(brokerUrl: string): Promise<void> {
  const connection = await connect(brokerUrl);
  const channel = await connection.createChannel();
  for (const exchange of ['apiServers', 'dataServers']) {
    await channel.assertExchange(exchange, 'fanout', { durable: true });
  }
  await connection.close();
}
