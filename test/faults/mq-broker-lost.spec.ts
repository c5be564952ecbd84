/**
 * Rows 22 to 25: the broker is killed, comes back, hangs, or blocks publishers by an alarm. The bus
 * must say `down` with a reason, refuse within 2 s what cannot be sent, keep nothing for later, and be
 * whole again within 5 s of the broker, with the subscriptions it had. It would fail by a crash, by
 * a status that stays `up`, by a publish that hangs, or by a message from the past.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXCHANGES, decodeBody, encodeBody } from '#contracts';
import { eventually } from '#mq/testing';
import { ownBroker, type Broker } from '../../tools/broker.js';
import { stopwatch } from '../harness/stopwatch.js';
import { echo, isDown, isUp, observedBus, PROBE, worksAgain, type ObservedBus } from './mq-harness.js';

let broker: Broker;
let observed: ObservedBus;
let heard: string[];

beforeAll(async () => {
  broker = await ownBroker();
});
afterAll(async () => {
  await broker.stop();
});

beforeEach(async () => {
  observed = observedBus(broker.url);
  heard = [];
  await isUp(observed.bus, 60_000);
  await echo(observed.bus);
  await observed.bus.subscribe(EXCHANGES.control, message => heard.push(decodeBody(message.body) ?? '?'));
});
afterEach(async () => {
  await broker.resume();
  await observed.bus.close();
});

describe('the bus, when its broker', () => {
  it('is killed, and comes back', async () => {
    const { bus, metrics } = observed;
    await broker.kill();
    await isDown(bus, 5000);
    expect(bus.reason).toBeDefined();
    await refusesQuickly();
    await broker.restart();
    expect(await worksAgain(bus, 5000)).toBeLessThan(5000);
    await expectOnlyThePresent();
    expect(metrics.reconnects).toBe(1);
  });

  it('shuts down in order, and comes back', async () => {
    const { bus } = observed;
    await broker.restart();
    expect(bus.reason === undefined || bus.status === 'down').toBe(true);
    expect(await worksAgain(bus, 5000)).toBeLessThan(5000);
    await expectOnlyThePresent();
  });

  it('hangs, and goes on', async () => {
    const { bus } = observed;
    await broker.pause();
    const hungMs = stopwatch();
    await refusesWithin(4000);
    await isDown(bus, 6000);
    expect(hungMs()).toBeLessThan(6000);
    await refusesQuickly();
    await sleep(5000);
    expect(bus.status).toBe('down');
    await broker.resume();
    expect(await worksAgain(bus, 5000)).toBeLessThan(5000);
    await expectOnlyThePresent();
  });

  it.each([
    ['memory', ['set_vm_memory_high_watermark', '0.0000001'], ['set_vm_memory_high_watermark', '0.4']],
    ['disk', ['set_disk_free_limit', '900000GB'], ['set_disk_free_limit', '1MB']],
  ])('blocks publishers by a %s alarm, and lifts it', async (_resource, raise, lift) => {
    const { bus } = observed;
    await broker.ctl(...raise);
    await isDown(bus, 6000);
    expect(bus.reason).toContain('takes no messages');
    await refusesQuickly();
    const before = process.memoryUsage();
    const body = Buffer.alloc(60_000);
    const refused = await Promise.allSettled(
      Array.from({ length: 20_000 }, () => bus.publish(EXCHANGES.control, { body })),
    );
    expect(refused.every(result => result.status === 'rejected')).toBe(true);
    expect(process.memoryUsage().arrayBuffers - before.arrayBuffers).toBeLessThan(8 * 1024 * 1024);
    await broker.ctl(...lift);
    expect(await worksAgain(bus, 5000)).toBeLessThan(5000);
    await expectOnlyThePresent();
  });

  it('blocks publishers before the bus connects', async () => {
    await broker.ctl('set_vm_memory_high_watermark', '0.0000001');
    const late = observedBus(broker.url);
    try {
      await eventually('the reason', () => late.bus.reason?.includes('takes no messages') === true, 60_000);
      await sleep(2000);
      expect(late.bus.status).toBe('down');
      expect(late.bus.reason).toContain('takes no messages');
      await broker.ctl('set_vm_memory_high_watermark', '0.4');
      await isUp(late.bus, 5000);
    } finally {
      await late.bus.close();
    }
  });
});

/** What it refuses now says `never to be sent`, and must not be heard later. */
async function refusesQuickly(): Promise<void> {
  await refusesWithin(1000);
}

async function refusesWithin(timeoutMs: number): Promise<void> {
  const message = { body: encodeBody('never to be sent') };
  const elapsedMs = stopwatch();
  const { bus } = observed;
  const results = await Promise.allSettled([
    bus.publish(EXCHANGES.control, message),
    bus.ask(EXCHANGES.control, message, () => undefined),
    bus.ask(EXCHANGES.control, message, () => undefined, { isolated: true }),
  ]);
  expect(results.map(result => result.status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(elapsedMs()).toBeLessThan(timeoutMs);
}

/** Of all that was said in the test. */
async function expectOnlyThePresent(): Promise<void> {
  await observed.bus.publish(EXCHANGES.control, { body: encodeBody('present') });
  await eventually('the present is heard', () => heard.includes('present'));
  await sleep(200);
  expect(heard.filter(text => !text.startsWith(PROBE))).toEqual(['present']);
}
