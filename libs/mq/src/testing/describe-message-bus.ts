import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXCHANGES, MAX_MESSAGE_BYTES, decodeBody, encodeBody } from '#contracts';
import type { BusMetrics } from '../bus-observers.js';
import type { BusStatus, IncomingMessage, MessageBus } from '../message-bus.js';
import { CountingMetrics } from './counting-metrics.js';
import { eventually } from './eventually.js';

/** Makes one more bus on the same broker, `up`. */
export type MakeBus = (metrics: BusMetrics) => Promise<MessageBus>;

/** Long enough for a message that must not come to have come. */
const QUIET_MS = 150;

/** What every MessageBus promises. Each implementation runs it. */
export function describeMessageBus(name: string, makeBus: MakeBus): void {
  describe(`MessageBus: ${name}`, () => {
    const open: MessageBus[] = [];

    async function start(metrics: BusMetrics = new CountingMetrics()): Promise<MessageBus> {
      const bus = await makeBus(metrics);
      open.push(bus);
      return bus;
    }

    afterEach(async () => {
      await Promise.all(open.splice(0).map(bus => bus.close()));
    });

    describe('publish and subscribe', () => {
      it('reach every subscriber of the exchange, the sender included, and nobody else', async () => {
        const [first, second] = [await start(), await start()];
        const heard: string[] = [];
        const note =
          (who: string) =>
          (message: IncomingMessage): void => {
            heard.push(`${who}: ${text(message)}`);
          };
        await first.subscribe(EXCHANGES.apiServers, note('first'));
        await first.subscribe(EXCHANGES.apiServers, note('first again'));
        await second.subscribe(EXCHANGES.apiServers, note('second'));
        await second.subscribe(EXCHANGES.control, note('another exchange'));
        await first.publish(EXCHANGES.apiServers, { body: encodeBody('beat') });
        await eventually('three deliveries', () => heard.length >= 3);
        await sleep(QUIET_MS);
        expect(heard.toSorted()).toEqual(['first again: beat', 'first: beat', 'second: beat']);
      });

      it('carry the bytes and the headers as they are', async () => {
        const bus = await start();
        const heard: IncomingMessage[] = [];
        await bus.subscribe(EXCHANGES.control, message => heard.push(message));
        const headers = { text: 'größe', small: 1, large: 2 ** 52 + 1, yes: true };
        const body = Buffer.from([0, 255, 10, 13]);
        await bus.publish(EXCHANGES.control, { body, headers });
        await eventually('the message', () => heard.length === 1);
        expect(heard[0]?.body.equals(body)).toBe(true);
        expect(heard[0]?.headers).toEqual(headers);
        expect(heard[0]?.replyTo).toBeUndefined();
      });

      it('keep the order of one sender', async () => {
        const bus = await start();
        const heard: string[] = [];
        await bus.subscribe(EXCHANGES.dataServers, message => heard.push(text(message)));
        const sent = Array.from({ length: 200 }, (_, i) => `${i}`);
        await Promise.all(sent.map(i => bus.publish(EXCHANGES.dataServers, { body: encodeBody(i) })));
        await eventually('all of them', () => heard.length === sent.length);
        expect(heard).toEqual(sent);
      });

      it('give a new subscriber nothing from the past', async () => {
        const bus = await start();
        await bus.publish(EXCHANGES.apiServers, { body: encodeBody('past') });
        const heard: string[] = [];
        await bus.subscribe(EXCHANGES.apiServers, message => heard.push(text(message)));
        await bus.publish(EXCHANGES.apiServers, { body: encodeBody('present') });
        await eventually('the present', () => heard.length > 0);
        await sleep(QUIET_MS);
        expect(heard).toEqual(['present']);
      });

      it('deliver nothing in the turn of the publisher', async () => {
        const bus = await start();
        let heard = false;
        await bus.subscribe(EXCHANGES.control, () => (heard = true));
        const published = bus.publish(EXCHANGES.control, { body: encodeBody('') });
        expect(heard).toBe(false);
        await published;
        await eventually('the delivery', () => heard);
      });

      it('stop when the subscription is closed', async () => {
        const bus = await start();
        const heard: string[] = [];
        const subscription = await bus.subscribe(EXCHANGES.control, () => heard.push('closed one'));
        await bus.subscribe(EXCHANGES.control, () => heard.push('open one'));
        await subscription.close();
        await subscription.close();
        await bus.publish(EXCHANGES.control, { body: encodeBody('') });
        await eventually('a delivery', () => heard.length > 0);
        await sleep(QUIET_MS);
        expect(heard).toEqual(['open one']);
      });

      it('drop and count what is larger than 64 KiB', async () => {
        const metrics = new CountingMetrics();
        const bus = await start(metrics);
        const heard: number[] = [];
        await bus.subscribe(EXCHANGES.control, message => heard.push(message.body.length));
        await bus.publish(EXCHANGES.control, { body: Buffer.alloc(MAX_MESSAGE_BYTES + 1) });
        await bus.publish(EXCHANGES.control, { body: Buffer.alloc(3 * 1024 * 1024) });
        await bus.publish(EXCHANGES.control, { body: Buffer.alloc(MAX_MESSAGE_BYTES) });
        await eventually('the last', () => heard.length > 0);
        expect(heard).toEqual([MAX_MESSAGE_BYTES]);
        expect(metrics.drops['too-large']).toBe(2);
        expect(metrics.publishes).toBe(3);
      });

      it('survive handlers that throw or reject', async () => {
        const metrics = new CountingMetrics();
        const bus = await start(metrics);
        const heard: string[] = [];
        await bus.subscribe(EXCHANGES.control, () => {
          throw new Error('thrown by the test');
        });
        // oxlint-disable-next-line typescript/no-misused-promises -- that nobody awaits it is the case
        await bus.subscribe(EXCHANGES.control, rejecting);
        await bus.subscribe(EXCHANGES.control, message => heard.push(text(message)));
        await bus.publish(EXCHANGES.control, { body: encodeBody('1') });
        await bus.publish(EXCHANGES.control, { body: encodeBody('2') });
        await eventually('both', () => heard.length === 2 && metrics.handlerFailures === 4);
        expect(bus.status).toBe('up');
      });
    });

    describe('questions', () => {
      it.each([false, true])('collect the answers of all answerers (isolated: %s)', async isolated => {
        const asker = await start();
        for (const who of ['a', 'b', 'c']) await answering(await start(), who);
        const answers: string[] = [];
        const onAnswer = (answer: IncomingMessage): void => {
          answers.push(`${text(answer)} ${String(answer.headers['who'])}`);
        };
        const question = await asker.ask(EXCHANGES.dataServers, { body: encodeBody('q') }, onAnswer, { isolated });
        await eventually('three answers', () => answers.length === 3);
        question.close();
        expect(answers.toSorted()).toEqual(['q a', 'q b', 'q c']);
      });

      it.each([false, true])('keep the answers of many at once apart (isolated: %s)', async isolated => {
        const asker = await start();
        await answering(await start(), 'a');
        const wrong: string[] = [];
        let right = 0;
        const ask = async (i: number): Promise<void> => {
          let mine = 0;
          const onAnswer = (answer: IncomingMessage): void => {
            if (text(answer) === `q${i}`) mine++;
            else wrong.push(`${text(answer)} to q${i}`);
          };
          const question = await asker.ask(EXCHANGES.dataServers, { body: encodeBody(`q${i}`) }, onAnswer, {
            isolated,
          });
          await eventually(`the answer to q${i}`, () => mine > 0);
          question.close();
          right += mine;
        };
        await Promise.all(Array.from({ length: 100 }, (_, i) => ask(i)));
        expect(wrong).toEqual([]);
        expect(right).toBe(100);
      });

      it.each([false, true])('drop answers that come after the close (isolated: %s)', async isolated => {
        const [asker, answerer] = [await start(), await start()];
        const questions: IncomingMessage[] = [];
        await answerer.subscribe(EXCHANGES.dataServers, message => questions.push(message));
        const answers: string[] = [];
        const question = await asker.ask(
          EXCHANGES.dataServers,
          { body: encodeBody('q') },
          answer => answers.push(text(answer)),
          { isolated },
        );
        await eventually('the question', () => questions.length === 1);
        question.close();
        question.close();
        await answerer.answer(required(questions[0]), { body: encodeBody('late') });
        await sleep(QUIET_MS);
        expect(answers).toEqual([]);
      });

      it('are never mixed up when isolated, even by answerers that echo no correlation id and answer late', async () => {
        const [asker, peer] = [await start(), await start()];
        const questions: IncomingMessage[] = [];
        await peer.subscribe(EXCHANGES.dataServers, message => questions.push(message));
        const answerLikeAPeer = async (question: IncomingMessage): Promise<void> => {
          const { correlationId: _notEchoed, ...withoutId } = question;
          await peer.answer(withoutId, { body: question.body });
        };
        for (let round = 0; round < 20; round++) {
          const answers: string[] = [];
          const ask = (body: string) =>
            asker.ask(EXCHANGES.dataServers, { body: encodeBody(body) }, answer => answers.push(text(answer)), {
              isolated: true,
            });
          questions.length = 0;
          const first = await ask(`first ${round}`);
          await eventually('the first question', () => questions.length === 1);
          first.close();
          const second = await ask(`second ${round}`);
          await eventually('the second question', () => questions.length === 2);
          await answerLikeAPeer(required(questions[0]));
          await answerLikeAPeer(required(questions[1]));
          await eventually('the answer', () => answers.length > 0);
          second.close();
          expect(answers).toEqual([`second ${round}`]);
        }
      });

      it('drop an answer that is too large, and survive handlers that throw', async () => {
        const metrics = new CountingMetrics();
        const [asker, answerer] = [await start(metrics), await start()];
        await answerer.subscribe(EXCHANGES.dataServers, question => {
          void answerer.answer(question, { body: Buffer.alloc(MAX_MESSAGE_BYTES + 1) });
          void answerer.answer(question, { body: encodeBody('first') });
          void answerer.answer(question, { body: encodeBody('second') });
        });
        const answers: string[] = [];
        const question = await asker.ask(EXCHANGES.dataServers, { body: encodeBody('q') }, answer => {
          answers.push(text(answer));
          throw new Error('thrown by the test');
        });
        await eventually('both', () => answers.length === 2);
        question.close();
        expect(metrics.drops['too-large']).toBe(1);
        expect(metrics.handlerFailures).toBe(2);
      });

      it('may be asked of nobody, and answered to nobody', async () => {
        const asker = await start();
        const question = await asker.ask(EXCHANGES.dataServers, { body: encodeBody('q') }, () => undefined);
        question.close();
        const gone: IncomingMessage = { body: encodeBody('q'), headers: {}, replyTo: 'nowhere' };
        await asker.answer(gone, { body: encodeBody('a') });
        await sleep(QUIET_MS);
        expect(asker.status).toBe('up');
      });

      it('cannot be answered without a reply address', async () => {
        const bus = await start();
        await expect(bus.answer({ body: encodeBody('q'), headers: {} }, { body: encodeBody('a') })).rejects.toThrow();
      });
    });

    describe('status', () => {
      it('is up without a reason, and down for good when closed', async () => {
        const bus = await start();
        const changes: BusStatus[] = [];
        bus.onStatus(status => changes.push(status));
        const stop = bus.onStatus(() => changes.push('up'));
        stop();
        expect(bus.status).toBe('up');
        expect(bus.reason).toBeUndefined();
        await bus.close();
        await bus.close();
        expect(bus.status).toBe('down');
        expect(bus.reason).toBeDefined();
        expect(changes).toEqual(['down']);
        const message = { body: encodeBody('x') };
        await expect(bus.publish(EXCHANGES.control, message)).rejects.toThrow();
        await expect(bus.ask(EXCHANGES.control, message, () => undefined)).rejects.toThrow();
        await expect(bus.ask(EXCHANGES.control, message, () => undefined, { isolated: true })).rejects.toThrow();
        await expect(bus.subscribe(EXCHANGES.control, () => undefined)).rejects.toThrow();
      });

      it('delivers nothing more once closed', async () => {
        const [closing, other] = [await start(), await start()];
        let heard = 0;
        await closing.subscribe(EXCHANGES.control, () => heard++);
        await closing.close();
        await other.publish(EXCHANGES.control, { body: encodeBody('x') });
        await sleep(QUIET_MS);
        expect(heard).toBe(0);
      });
    });
  });
}

/** Echoes each question's body, and says who it is. */
async function answering(bus: MessageBus, who: string): Promise<void> {
  await bus.subscribe(EXCHANGES.dataServers, question => {
    void bus.answer(question, { body: question.body, headers: { who } });
  });
}

function rejecting(): Promise<void> {
  return Promise.reject(new Error('rejected by the test'));
}

function text(message: IncomingMessage): string {
  return decodeBody(message.body) ?? `no JSON string: ${message.body.toString('hex', 0, 20)}`;
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('missing');
  return value;
}
