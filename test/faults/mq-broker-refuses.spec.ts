/**
 * Rows 26 to 28: wrong credentials and permissions; exchanges and queues that are deleted or exist
 * otherwise; messages that are malformed, huge or come twice. The bus must not crash, must say why it
 * is down without the password, log one line per 10 s, and rebuild what was deleted within 5 s.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXCHANGES, encodeBody } from '#contracts';
import { eventually } from '#mq/testing';
import { ownBroker, type Broker } from '../../tools/broker.js';
import { deleteAllQueues } from '../harness/delete-all-queues.js';
import { waitUntil } from '../harness/wait-until.js';
import { echo, goesDown, isDown, isUp, observedBus, stranger, worksAgain, type ObservedBus } from './mq-harness.js';

let broker: Broker;
const open: ObservedBus[] = [];

beforeAll(async () => {
  broker = await ownBroker();
  await broker.ctl('add_user', 'limited', 'hunter2');
});
afterAll(async () => {
  await broker.stop();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map(({ bus }) => bus.close()));
});

function start(url = broker.url): ObservedBus {
  const observed = observedBus(url);
  open.push(observed);
  return observed;
}

function urlOf(userAndPassword: string): string {
  return broker.url.replace('guest:guest', userAndPassword);
}

describe('the bus, refused by its broker', () => {
  it.each([
    ['a wrong password', () => urlOf('limited:hunter3'), /ACCESS.REFUSED/],
    ['an unknown user', () => urlOf('nobody:hunter3'), /ACCESS.REFUSED/],
    ['an unknown virtual host', () => `${broker.url}/missing`, /refused access/],
    ['a user without permissions', () => urlOf('limited:hunter2'), /refused access/],
  ])('for %s, says so, and logs a line per 10 s', async (_why, url, reason) => {
    const { bus, log } = start(url());
    await eventually('the reason', () => bus.reason !== undefined && reason.test(bus.reason), 5000);
    await expect(bus.publish(EXCHANGES.control, { body: encodeBody('x') })).rejects.toThrow(reason);
    await sleep(4000);
    expect(bus.status).toBe('down');
    expect(new Set(log.map(line => line.level))).toEqual(new Set(['warn']));
    const gapsMs = log.slice(1).map((line, index) => line.atMs - (log[index]?.atMs ?? 0));
    expect(gapsMs.filter(ms => ms < 9_990)).toEqual([]);
    expect(JSON.stringify(log) + bus.reason).not.toMatch(/hunter|guest:/);
  });

  it('says what permission is missing when the user lacks one', async () => {
    await broker.ctl('set_permissions', 'limited', '^$', '.*', '.*');
    const { bus } = start(urlOf('limited:hunter2'));
    await eventually('the reason', () => bus.reason?.includes("access to exchange 'apiServers'") === true, 10_000);
    expect(bus.reason).not.toContain('hunter2');
    await broker.ctl('clear_permissions', 'limited');
  });

  it('comes up when the user gets permissions, and needs no more than those of our definitions', async () => {
    const { bus, log } = start(urlOf('limited:hunter2'));
    await isDown(bus, 100);
    await sleep(500);
    const ours = '^(apiServers|dataServers|granary\\..*|amq\\.gen-.*)$';
    const write = '^(apiServers|dataServers|granary\\..*|amq\\.gen-.*|amq\\.default)$';
    await broker.ctl('set_permissions', 'limited', ours, write, ours);
    await isUp(bus, 5000);
    await echo(bus);
    await worksAgain(bus, 5000);
    expect(log.at(-1)?.level).toBe('info');
  });

  it('when an exchange exists with other arguments, and comes up when it is gone', async () => {
    const connection = await stranger(broker.url);
    const channel = await connection.createChannel();
    await channel.deleteExchange(EXCHANGES.apiServers);
    await channel.assertExchange(EXCHANGES.apiServers, 'direct', { durable: false });
    const { bus } = start();
    await eventually('the reason', () => bus.reason?.includes("'apiServers'") === true, 10_000);
    expect(bus.reason).toMatch(/inequivalent arg/);
    await channel.deleteExchange(EXCHANGES.apiServers);
    await connection.close();
    await isUp(bus, 5000);
  });
});

describe('the bus, whose things at the broker are deleted', () => {
  let observed: ObservedBus;

  beforeEach(async () => {
    observed = start();
    await isUp(observed.bus, 60_000);
    await echo(observed.bus);
  });

  it.each(Object.values(EXCHANGES))('makes and binds the exchange %s again', async exchange => {
    let heard = 0;
    await observed.bus.subscribe(exchange, () => heard++);
    const connection = await stranger(broker.url);
    const channel = await connection.createChannel();
    await channel.deleteExchange(exchange);
    await connection.close();
    // Somebody else's message must arrive, too: the subscription itself has to be mended, not just made anew.
    const other = start();
    await isUp(other.bus, 60_000);
    const publishing = setInterval(() => {
      other.bus.publish(exchange, { body: encodeBody('x') }).catch(() => undefined);
    }, 50);
    await eventually('heard', () => heard > 0, 5000).finally(() => clearInterval(publishing));
    await worksAgain(observed.bus, 5000);
  });

  it('survives publishing to a missing exchange', async () => {
    const connection = await stranger(broker.url);
    const channel = await connection.createChannel();
    // The bus makes it again every 2 s: that may be just now.
    const isRefused = () =>
      observed.bus.publish(EXCHANGES.control, { body: encodeBody('x') }).then(
        () => false,
        () => true,
      );
    let refused = false;
    for (let tries = 0; tries < 3 && !refused; tries++) {
      await channel.deleteExchange(EXCHANGES.control);
      refused = await isRefused();
    }
    expect(refused).toBe(true);
    await connection.close();
    await worksAgain(observed.bus, 5000);
  });

  it('makes its queues again', async () => {
    await goesDown(observed.bus, deleteAllQueues(broker));
    await worksAgain(observed.bus, 5000);
    expect(observed.metrics.reconnects).toBe(1);
  });

  it('connects again when its connections are closed by an administrator', async () => {
    await goesDown(observed.bus, broker.ctl('close_all_connections', 'test'));
    await worksAgain(observed.bus, 5000);
  });
});

describe('the bus, sent by strangers', () => {
  it('huge, empty, binary and doubled messages, and reply addresses that are none, works on', async () => {
    const { bus, metrics } = start();
    await isUp(bus, 60_000);
    await echo(bus);
    const heard: number[] = [];
    await bus.subscribe(EXCHANGES.apiServers, message => heard.push(message.body.length));
    const connection = await stranger(broker.url);
    const channel = await connection.createChannel();
    const twice = Buffer.from('"twice"');
    for (const body of [Buffer.alloc(0), Buffer.alloc(16 << 20), Buffer.from([0, 1, 255]), twice, twice]) {
      channel.publish(EXCHANGES.apiServers, '', body, { headers: { 'granary-protocol': ['odd', { nested: null }] } });
    }
    const replyTos = [
      'nowhere',
      'amq.rabbitmq.reply-to.garbage',
      'amq.rabbitmq.reply-to.',
      'a'.repeat(255),
      'amq.gen-x',
    ];
    for (const replyTo of replyTos) {
      channel.publish(EXCHANGES.dataServers, '', twice, { replyTo, correlationId: 'c'.repeat(255) });
    }
    await eventually('the harmless', () => heard.length === 4);
    expect(heard).toEqual([0, 3, 7, 7]);
    expect(metrics.drops['too-large']).toBe(1);
    await sleep(500);
    expect(bus.status).toBe('up');
    await worksAgain(bus, 5000);
    expect(metrics.reconnects).toBe(0);
    await connection.close();
  });

  it('keeps two connections, whatever is asked of it', async () => {
    const { bus } = start();
    await isUp(bus, 60_000);
    await echo(bus);
    // Those of the tests before are ended by the broker in its own time.
    await waitUntil('there are two connections', 30_000, async () => (await connections()) === 2);
    const ask = async (isolated: boolean): Promise<void> => {
      let answered = false;
      const onAnswer = (): void => {
        answered = true;
      };
      const question = await bus.ask(EXCHANGES.dataServers, { body: encodeBody('q') }, onAnswer, { isolated });
      await eventually('the answer', () => answered);
      question.close();
    };
    await Promise.all(Array.from({ length: 400 }, (_, i) => ask(i % 2 === 0)));
    expect(await connections()).toBe(2);
  });
});

async function connections(): Promise<number> {
  const names = await broker.ctl('list_connections', 'pid');
  return names.split('\n').filter(line => line.startsWith('<')).length;
}
