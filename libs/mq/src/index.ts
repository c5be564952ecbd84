export type { BusLogger, BusMetrics, BusObservers, DropCause } from './bus-observers.js';
export type { BusStatus, IncomingMessage, MessageBus, OutgoingMessage, Question, Subscription } from './message-bus.js';
