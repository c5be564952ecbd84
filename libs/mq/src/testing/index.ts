export { describeMessageBus, type MakeBus } from './describe-message-bus.js';
export { eventually } from './eventually.js';
export { CountingMetrics } from './counting-metrics.js';
