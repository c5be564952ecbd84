import { afterAll, beforeAll } from '@jest/globals';
import { RabbitMessageBus } from '#mq/rabbitmq';
import { describeMessageBus, eventually } from '#mq/testing';
import { startBroker, type Broker } from '../../tools/broker.js';

let broker: Broker;

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(async () => {
  await broker.stop();
});

describeMessageBus('RabbitMQ', async metrics => {
  const bus = new RabbitMessageBus({ url: broker.url, name: 'contract', metrics });
  await eventually('up', () => bus.status === 'up', 60_000);
  return bus;
});
