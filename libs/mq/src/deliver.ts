import { MAX_MESSAGE_BYTES } from '#contracts';
import type { BusObservers } from './bus-observers.js';
import type { IncomingMessage } from './message-bus.js';

/** Passes a message to a handler, or drops and counts it when it is too large. Never throws. */
export function deliver(
  message: IncomingMessage,
  handler: (message: IncomingMessage) => void,
  observers: Required<BusObservers>,
): void {
  if (message.body.length > MAX_MESSAGE_BYTES) observers.metrics.dropped('too-large');
  else callGuarded(handler, message, observers);
}

/** Calls a function of somebody else, whose failure is its own. */
export function callGuarded<T>(callee: (argument: T) => void, argument: T, observers: Required<BusObservers>): void {
  const failed = (error: unknown): void => {
    observers.metrics.handlerFailed();
    observers.logger.error({ err: error }, 'A message handler failed.');
  };
  try {
    // It may be async against its type; its rejection would end the process.
    const result: unknown = callee(argument);
    if (result instanceof Promise) result.catch(failed);
  } catch (error) {
    failed(error);
  }
}
