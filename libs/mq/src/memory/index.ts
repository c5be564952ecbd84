export { MemoryHub } from './memory-hub.js';
export { MemoryMessageBus } from './memory-message-bus.js';
