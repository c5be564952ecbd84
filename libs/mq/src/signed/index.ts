export { SignedMessageBus, type SignedBusOptions } from './signed-message-bus.js';
