import { describeMessageBus } from '../testing/index.js';
import { MemoryHub } from './memory-hub.js';
import { MemoryMessageBus } from './memory-message-bus.js';

const hub = new MemoryHub();

describeMessageBus('in-process', async metrics => new MemoryMessageBus(hub, { metrics }));
