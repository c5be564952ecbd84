import { connect, type ChannelModel } from 'amqplib';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXCHANGES, decodeBody, encodeBody, type Exchange } from '#contracts';
import type { BusLogger, MessageBus } from '#mq';
import { RabbitMessageBus } from '#mq/rabbitmq';
import { CountingMetrics, eventually } from '#mq/testing';
import { stopwatch } from '../harness/stopwatch.js';

/** A bus whose log lines and counts can be looked at. */
export interface ObservedBus {
  bus: MessageBus;
  metrics: CountingMetrics;
  log: LogLine[];
}

export interface LogLine {
  level: 'info' | 'warn' | 'error';
  text: string;
  atMs: number;
}

export function observedBus(url: string): ObservedBus {
  const metrics = new CountingMetrics();
  const log: LogLine[] = [];
  const line =
    (level: LogLine['level']) =>
    (details: object, message: string): void => {
      log.push({ level, text: `${message} ${JSON.stringify(details)}`, atMs: performance.now() });
    };
  const logger: BusLogger = { info: line('info'), warn: line('warn'), error: line('error') };
  return { bus: new RabbitMessageBus({ url, name: 'fault test', metrics, logger }), metrics, log };
}

export async function isUp(bus: MessageBus, timeoutMs: number): Promise<void> {
  await eventually('up', () => bus.status === 'up', timeoutMs);
}

export async function isDown(bus: MessageBus, timeoutMs: number): Promise<void> {
  await eventually('down', () => bus.status === 'down', timeoutMs);
}

/** By the deed, or within 5 s of its end. The bus may be up again by then: rabbitmqctl takes its time to end. */
export async function goesDown(bus: MessageBus, deed: Promise<unknown>): Promise<void> {
  let wasDown = false;
  const stop = bus.onStatus(status => (wasDown ||= status === 'down'));
  try {
    await deed;
    await eventually('it went down', () => wasDown, 5000);
  } finally {
    stop();
  }
}

/** Answers every question with what was asked. */
export async function echo(bus: MessageBus): Promise<void> {
  await bus.subscribe(EXCHANGES.dataServers, question => {
    bus.answer(question, { body: question.body }).catch(() => undefined);
  });
}

/** How the messages begin by which `worksAgain` finds out. One of them may come when it has given it up. */
export const PROBE = 'probe ';

/**
 * Resolves to how long it took, by a stopwatch, until, on every way through the bus, messages passed again: an event on
 * each exchange, a question and an isolated one.
 */
export async function worksAgain(bus: MessageBus, timeoutMs: number): Promise<number> {
  const elapsedMs = stopwatch();
  for (const way of [...Object.values(EXCHANGES), 'ask', 'ask isolated'] as const) {
    while (!(await passes(bus, way))) {
      if (elapsedMs() > timeoutMs) throw new Error(`not within ${timeoutMs} ms: ${way} (${bus.reason})`);
      await sleep(50);
    }
  }
  return elapsedMs();
}

async function passes(bus: MessageBus, way: Exchange | 'ask' | 'ask isolated'): Promise<boolean> {
  const nonce = `${PROBE}${Math.random()}`;
  try {
    if (way === 'ask' || way === 'ask isolated') return await isAnswered(bus, nonce, way === 'ask isolated');
    let heard = false;
    const subscription = await bus.subscribe(way, message => {
      if (decodeBody(message.body) === nonce) heard = true;
    });
    await bus.publish(way, { body: encodeBody(nonce) });
    await eventually('heard', () => heard, 400);
    await subscription.close();
    return true;
  } catch {
    return false;
  }
}

async function isAnswered(bus: MessageBus, nonce: string, isolated: boolean): Promise<boolean> {
  let answered = false;
  const onAnswer = (): void => {
    answered = true;
  };
  const question = await bus.ask(EXCHANGES.dataServers, { body: encodeBody(nonce) }, onAnswer, { isolated });
  try {
    await eventually('answered', () => answered, 400);
    return true;
  } finally {
    question.close();
  }
}

/** A plain connection beside the bus, for doing to the broker what a stranger may. */
export async function stranger(url: string): Promise<ChannelModel> {
  const connection = await connect(url);
  connection.on('error', () => undefined);
  return connection;
}
