import { Controller, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, type MicroserviceOptions } from '@nestjs/microservices';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { of, type Observable } from 'rxjs';
import { EXCHANGES, decodeBody, encodeBody } from '#contracts';
import type { IncomingMessage, OutgoingMessage } from '#mq';
import { MemoryHub, MemoryMessageBus } from '#mq/memory';
import { CountingMetrics } from '#mq/testing';
import { MessageBusTransport } from './message-bus-transport.js';

const heard: string[] = [];

@Controller()
class DataServerController {
  @EventPattern(EXCHANGES.apiServers)
  onHeartbeat(message: IncomingMessage): string {
    heard.push(decodeBody(message.body) ?? '');
    if (decodeBody(message.body) === 'throw') throw new Error('thrown by the test');
    return 'an event handler answers nothing, whatever it returns';
  }

  @MessagePattern(EXCHANGES.dataServers)
  async onLocate(message: IncomingMessage): Promise<OutgoingMessage | undefined> {
    const name = decodeBody(message.body);
    heard.push(name ?? '');
    if (name === 'throw') throw new Error('thrown by the test');
    return name === 'here' ? { body: encodeBody('127.0.0.1:1'), headers: { 'granary-answer': 'here' } } : undefined;
  }

  @MessagePattern(EXCHANGES.control)
  onControl(): Observable<OutgoingMessage> {
    return of({ body: encodeBody('of an observable') });
  }
}

@Module({ controllers: [DataServerController] })
class DataServerModule {}

@Controller()
class LostController {
  @EventPattern('nowhere')
  hear(_message: IncomingMessage): void {
    heard.push('nowhere');
  }
}

@Module({ controllers: [LostController] })
class LostModule {}

describe('MessageBusTransport', () => {
  const hub = new MemoryHub();
  const asker = new MemoryMessageBus(hub);
  let metrics: CountingMetrics;
  let bus: MemoryMessageBus;
  let app: { close(): Promise<void> };

  beforeEach(async () => {
    heard.length = 0;
    metrics = new CountingMetrics();
    bus = new MemoryMessageBus(hub);
    app = await start(DataServerModule, new MessageBusTransport(bus, metrics));
  });

  afterEach(async () => {
    await app.close();
    await bus.close();
    jest.restoreAllMocks();
  });

  it('answers with what a message handler returns', async () => {
    const answers = await ask(EXCHANGES.dataServers, 'here');
    expect(answers).toEqual([
      expect.objectContaining({ body: encodeBody('127.0.0.1:1'), headers: { 'granary-answer': 'here' } }),
    ]);
    expect(answers[0]?.correlationId).toBeDefined();
    expect((await ask(EXCHANGES.control, '')).map(answer => decodeBody(answer.body))).toEqual(['of an observable']);
  });

  it('sends nothing at all when a message handler returns nothing', async () => {
    expect(await ask(EXCHANGES.dataServers, 'not here')).toEqual([]);
    expect(heard).toEqual(['not here']);
  });

  it('never answers for an event handler', async () => {
    expect(await ask(EXCHANGES.apiServers, '127.0.0.1:2')).toEqual([]);
    expect(heard).toEqual(['127.0.0.1:2']);
  });

  it('survives handlers that throw, and counts them', async () => {
    const logged = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    expect(await ask(EXCHANGES.dataServers, 'throw')).toEqual([]);
    expect(await ask(EXCHANGES.apiServers, 'throw')).toEqual([]);
    expect(metrics.handlerFailures).toBe(2);
    expect(logged).toHaveBeenCalledTimes(2);
    expect(await ask(EXCHANGES.dataServers, 'here')).toHaveLength(1);
  });

  it('is not disturbed when the bus cannot send the answer', async () => {
    jest.spyOn(bus, 'answer').mockRejectedValue(new Error('down'));
    expect(await ask(EXCHANGES.dataServers, 'here')).toEqual([]);
    expect(metrics.handlerFailures).toBe(0);
  });

  it('ends its subscriptions when it is closed, and leaves the bus open', async () => {
    await app.close();
    expect(await ask(EXCHANGES.dataServers, 'here')).toEqual([]);
    expect(heard).toEqual([]);
    expect(bus.status).toBe('up');
  });

  it('refuses a handler of an exchange that is not ours', async () => {
    await expect(start(LostModule, new MessageBusTransport(bus, metrics))).rejects.toThrow("'nowhere'");
  });

  /** The answers that come within a few turns of the event loop, which is all that the in-process bus needs. */
  async function ask(exchange: (typeof EXCHANGES)[keyof typeof EXCHANGES], text: string): Promise<IncomingMessage[]> {
    const answers: IncomingMessage[] = [];
    const question = await asker.ask(exchange, { body: encodeBody(text) }, answer => answers.push(answer));
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    question.close();
    return answers;
  }
});

async function start(module: new () => object, strategy: MessageBusTransport): Promise<{ close(): Promise<void> }> {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(module, { strategy, logger: ['error'] });
  await app.listen();
  return app;
}
