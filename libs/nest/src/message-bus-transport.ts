import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { EXCHANGES, type Exchange } from '#contracts';
import type { BusMetrics, BusStatus, IncomingMessage, MessageBus, OutgoingMessage, Subscription } from '#mq';

type Events = { status: (status: BusStatus) => void };

/**
 * Nest's message handlers on a MessageBus. The pattern is an exchange, the payload an IncomingMessage:
 * `@EventPattern(EXCHANGES.apiServers)` hears, `@MessagePattern(EXCHANGES.dataServers)` answers with
 * the OutgoingMessage that it returns, or stays silent when it returns undefined. (Nest's own RabbitMQ
 * server would answer `{"isDisposed":true}` then, which other implementations read as an address.)
 * A handler that throws is logged by Nest, counted here, and answers nothing.
 *
 * The bus is the composition root's, which closes it; closing the transport ends its subscriptions.
 */
export class MessageBusTransport extends Server<Events> implements CustomTransportStrategy {
  readonly #bus: MessageBus;
  readonly #metrics: Pick<BusMetrics, 'handlerFailed'>;
  readonly #subscriptions: Subscription[] = [];

  constructor(bus: MessageBus, metrics: Pick<BusMetrics, 'handlerFailed'>) {
    super();
    this.#bus = bus;
    this.#metrics = metrics;
  }

  async listen(callback: (error?: unknown) => void): Promise<void> {
    try {
      for (const [pattern, handler] of this.messageHandlers) {
        const exchange = asExchange(pattern);
        this.#subscriptions.push(await this.#bus.subscribe(exchange, message => void this.#handle(handler, message)));
      }
      callback();
    } catch (error) {
      callback(error);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#subscriptions.splice(0).map(subscription => subscription.close()));
  }

  override on<K extends keyof Events>(_event: K, callback: Events[K]): void {
    this.#bus.onStatus(callback);
  }

  override unwrap<T>(): T {
    return this.#bus as T;
  }

  async #handle(handler: MessageHandler<IncomingMessage>, message: IncomingMessage): Promise<void> {
    let result: unknown;
    try {
      result = await handler(message);
      if (isObservable(result)) result = await lastValueFrom(result, { defaultValue: undefined });
    } catch {
      this.#metrics.handlerFailed();
      return;
    }
    if (handler.isEventHandler === true || result === undefined || message.replyTo === undefined) return;
    // An answer that cannot be sent now is of no use later; the bus itself says why it is down.
    await this.#bus.answer(message, result as OutgoingMessage).catch(() => undefined);
  }
}

function asExchange(pattern: string): Exchange {
  const exchange = Object.values(EXCHANGES).find(name => name === pattern);
  if (exchange === undefined) throw new Error(`A message handler names '${pattern}', which is no exchange of ours.`);
  return exchange;
}
