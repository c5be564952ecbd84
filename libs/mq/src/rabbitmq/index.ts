export { RabbitMessageBus, type RabbitMessageBusOptions } from './rabbit-message-bus.js';
