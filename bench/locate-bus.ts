/**
 * What a locate costs on the message bus: six answerers, each behind Nest's transport strategy on a
 * bus of its own, all in this process beside the asker; the broker is a real RabbitMQ (tools/broker.ts).
 * Beside it, in turns, the floor: plain amqplib, one connection each, a reply queue, nothing confirmed.
 * Ratios hold on a busy machine; rates do not.
 *
 *   npm run build && node dist/bench/locate-bus.js
 */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, type MicroserviceOptions } from '@nestjs/microservices';
import { connect } from 'amqplib';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXCHANGES, encodeBody } from '#contracts';
import type { IncomingMessage, MessageBus, OutgoingMessage } from '#mq';
import { RabbitMessageBus } from '#mq/rabbitmq';
import { MessageBusTransport } from '#nest';
import { startBroker } from '../tools/broker.js';

const ANSWERERS = 6;
const ROUNDS = 5;
const WARM_UP_MS = 500;
const MEASURED_MS = 2000;
const QUESTION = encodeBody('test2');
const ANSWER = { body: encodeBody('127.0.1.1:12345'), headers: { 'granary-answer': 'here' } };

/** Asks one question and waits for all six answers. */
type Ask = () => Promise<void>;

interface Target {
  name: string;
  start(): Promise<{ ask: Ask; stop(): Promise<void> }>;
}

interface Figures {
  asksPerSecond: number;
  p50Ms: number;
  /** CPU of this process: the asker and all answerers. */
  clientsUsPerAsk: number;
  /** CPU of the broker; 0 when it is not ours to look at. */
  brokerUsPerAsk: number;
}

@Controller()
class AnswererController {
  @MessagePattern(EXCHANGES.dataServers)
  onLocate(_message: IncomingMessage): OutgoingMessage {
    return ANSWER;
  }
}

@Module({ controllers: [AnswererController] })
class AnswererModule {}

const broker = await startBroker();
const targets: Target[] = [
  { name: 'plain amqplib', start: startFloor },
  { name: 'bus', start: () => startBuses(false) },
  { name: 'bus, isolated', start: () => startBuses(true) },
];
try {
  for (const concurrency of [1, 64]) await compare(concurrency);
} finally {
  await broker.stop();
}

async function compare(concurrency: number): Promise<void> {
  const rounds = targets.map((): Figures[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, target] of targets.entries()) rounds[i]?.push(await measure(target, concurrency));
  }
  console.log(`\nconcurrency ${concurrency}, medians of ${ROUNDS} rounds`);
  const floor = medianOf(rounds[0] ?? [], totalUs);
  for (const [i, target] of targets.entries()) {
    const figures = rounds[i] ?? [];
    const median = (of: (figures: Figures) => number, digits: number): string => medianOf(figures, of).toFixed(digits);
    console.log(
      `${target.name.padEnd(14)} ${median(f => f.asksPerSecond, 0).padStart(6)} asks/s  p50 ${median(f => f.p50Ms, 2)} ms` +
        `  CPU µs: ${median(f => f.clientsUsPerAsk, 0)} clients + ${median(f => f.brokerUsPerAsk, 0)} broker` +
        `  ${(medianOf(figures, totalUs) / floor).toFixed(2)} × floor`,
    );
  }
}

async function measure(target: Target, concurrency: number): Promise<Figures> {
  const { ask, stop } = await target.start();
  await load(ask, concurrency, WARM_UP_MS);
  const brokerBefore = await brokerCpuUs();
  const before = process.cpuUsage();
  const latenciesMs = (await load(ask, concurrency, MEASURED_MS)).toSorted((a, b) => a - b);
  const { user, system } = process.cpuUsage(before);
  const brokerUs = (await brokerCpuUs()) - brokerBefore;
  await stop();
  return {
    asksPerSecond: (latenciesMs.length * 1000) / MEASURED_MS,
    p50Ms: latenciesMs[Math.floor(latenciesMs.length / 2)] ?? Number.NaN,
    clientsUsPerAsk: (user + system) / latenciesMs.length,
    brokerUsPerAsk: brokerUs / latenciesMs.length,
  };
}

/** Resolves to the latency of each question. */
async function load(ask: Ask, concurrency: number, forMs: number): Promise<number[]> {
  const latenciesMs: number[] = [];
  const endsAt = performance.now() + forMs;
  const client = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      const startedAt = performance.now();
      await ask();
      latenciesMs.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, client));
  return latenciesMs;
}

async function startBuses(isolated: boolean): Promise<{ ask: Ask; stop(): Promise<void> }> {
  const asker = newBus();
  const answerers = Array.from({ length: ANSWERERS }, newBus);
  const apps = await Promise.all(answerers.map(startAnswerer));
  while ([asker, ...answerers].some(bus => bus.status === 'down')) await sleep(10);
  return {
    ask: () => askAll(asker, isolated),
    stop: async () => {
      await Promise.all(apps.map(app => app.close()));
      await Promise.all([asker, ...answerers].map(bus => bus.close()));
    },
  };
}

function newBus(): MessageBus {
  return new RabbitMessageBus({ url: broker.url, name: 'bench' });
}

async function startAnswerer(bus: MessageBus): Promise<{ close(): Promise<void> }> {
  const strategy = new MessageBusTransport(bus, { handlerFailed: () => undefined });
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(AnswererModule, { strategy, logger: false });
  await app.listen();
  return app;
}

function askAll(bus: MessageBus, isolated: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let answers = 0;
    const asked = bus.ask(EXCHANGES.dataServers, { body: QUESTION }, onAnswer, { isolated });
    asked.catch(reject);
    function onAnswer(): void {
      if (++answers === ANSWERERS) resolve(asked.then(question => question.close()));
    }
  });
}

async function startFloor(): Promise<{ ask: Ask; stop(): Promise<void> }> {
  const asker = await openPlain();
  await asker.channel.assertExchange(EXCHANGES.dataServers, 'fanout', { durable: true });
  const answerers = await Promise.all(Array.from({ length: ANSWERERS }, openPlain));
  for (const { channel, queue } of answerers) {
    await channel.bindQueue(queue, EXCHANGES.dataServers, '');
    const answer = (replyTo: string, correlationId: string) =>
      channel.publish('', replyTo, ANSWER.body, { correlationId, headers: ANSWER.headers });
    await channel.consume(queue, q => q && answer(q.properties.replyTo, q.properties.correlationId), { noAck: true });
  }
  const waiting = new Map<string, () => void>();
  await asker.channel.consume(asker.queue, a => a && waiting.get(a.properties.correlationId)?.(), { noAck: true });
  let lastId = 0;
  return {
    ask: () =>
      new Promise(resolve => {
        const correlationId = `${++lastId}`;
        let answers = 0;
        waiting.set(correlationId, () => {
          if (++answers < ANSWERERS) return;
          waiting.delete(correlationId);
          resolve();
        });
        asker.channel.publish(EXCHANGES.dataServers, '', QUESTION, { replyTo: asker.queue, correlationId });
      }),
    stop: async () => {
      await Promise.all([asker, ...answerers].map(({ connection }) => connection.close()));
    },
  };
}

async function openPlain() {
  const connection = await connect(broker.url, { noDelay: true });
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  return { connection, channel, queue };
}

/** Linux only: user and system time in ticks of 10 ms. */
async function brokerCpuUs(): Promise<number> {
  if (broker.pid === undefined || process.platform !== 'linux') return 0;
  const fields = (await readFile(`/proc/${broker.pid}/stat`, 'utf8')).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10_000;
}

function totalUs(figures: Figures): number {
  return figures.clientsUsPerAsk + figures.brokerUsPerAsk;
}

function medianOf(rounds: Figures[], of: (figures: Figures) => number): number {
  return rounds.map(of).toSorted((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? Number.NaN;
}
