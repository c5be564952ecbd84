import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { EXCHANGES, MESSAGE_HEADERS, encodeBody, heartbeatHeaders, type MessageHeaders } from '#contracts';
import type { IncomingMessage, OutgoingMessage } from '../message-bus.js';
import { MemoryHub } from '../memory/memory-hub.js';
import { MemoryMessageBus } from '../memory/memory-message-bus.js';
import { describeMessageBus } from '../testing/index.js';
import { isSignedBy } from './message-signature.js';
import { ReplayGuard } from './replay-guard.js';
import { SignedMessageBus } from './signed-message-bus.js';

const key = randomBytes(32);
const suiteHub = new MemoryHub();

describeMessageBus('signed, in-process', async metrics => {
  return new SignedMessageBus(new MemoryMessageBus(suiteHub, { metrics }), { key, onRefused: () => undefined });
});

const BEAT: OutgoingMessage = {
  body: encodeBody('127.0.1.2:12345'),
  headers: heartbeatHeaders({
    serverId: 'ds-1',
    bootId: 'boot-1',
    sequence: 7,
    state: 'ready',
    capacityBytes: 2 ** 40,
    usedBytes: 5,
    clock: 99,
    members: ['ds-1', 'ds-2'],
  }),
};

/** A hub on which a server with the key listens, a server with the key speaks, and a stranger hears and says what it likes. */
async function meeting(exchange: (typeof EXCHANGES)[keyof typeof EXCHANGES]) {
  const hub = new MemoryHub();
  const stranger = new MemoryMessageBus(hub);
  const refused: string[] = [];
  const heard: IncomingMessage[] = [];
  const recorded: IncomingMessage[] = [];
  const listener = new SignedMessageBus(new MemoryMessageBus(hub), { key, onRefused: at => refused.push(at) });
  const speaker = new SignedMessageBus(new MemoryMessageBus(hub), { key, onRefused: () => undefined });
  await listener.subscribe(exchange, message => heard.push(message));
  await stranger.subscribe(exchange, message => recorded.push(message));
  const say = async (message: OutgoingMessage, bus: Pick<MemoryMessageBus, 'publish'> = stranger) => {
    await bus.publish(exchange, message);
    await delivered();
  };
  return { hub, stranger, listener, speaker, heard, recorded, refused, say };
}

describe('SignedMessageBus', () => {
  it('passes on what a server with the key said, as it was said', async () => {
    const { speaker, heard, refused, say } = await meeting(EXCHANGES.apiServers);
    await say(BEAT, speaker);
    expect(heard).toEqual([BEAT]);
    expect(refused).toEqual([]);
  });

  it('drops and tells of what a stranger says, with another key or none', async () => {
    const { hub, heard, refused, say } = await meeting(EXCHANGES.apiServers);
    const other = { key: randomBytes(32), onRefused: () => undefined };
    await say(BEAT);
    await say(BEAT, new SignedMessageBus(new MemoryMessageBus(hub), other));
    for (const signature of ['', 'AAAA', 17, null, { deep: ['x'] }, randomBytes(32).toString('base64url')]) {
      await say({ ...BEAT, headers: { ...BEAT.headers, [MESSAGE_HEADERS.signature]: signature } });
    }
    expect(heard).toEqual([]);
    expect(refused).toHaveLength(8);
  });

  it('drops a heartbeat of which anything was changed', async () => {
    const { speaker, heard, recorded, refused, say } = await meeting(EXCHANGES.apiServers);
    await say(BEAT, speaker);
    const [genuine] = recorded;
    if (genuine === undefined) throw new Error('nothing was recorded');
    heard.length = 0;
    const ours = Object.keys(genuine.headers);
    expect(ours.length).toBeGreaterThan(9);
    const forgeries: OutgoingMessage[] = [
      { ...genuine, body: encodeBody('127.0.66.6:12345') },
      ...ours.map(name => ({ ...genuine, headers: { ...genuine.headers, [name]: 'other' } })),
      ...ours.map(name => ({ ...genuine, headers: without(genuine.headers, name) })),
      { ...genuine, headers: { ...genuine.headers, [MESSAGE_HEADERS.reason]: 'added' } },
    ];
    for (const forgery of forgeries) await say(forgery);
    expect(heard).toEqual([]);
    expect(refused).toHaveLength(forgeries.length);
    // What a broker adds is not ours.
    await say({ ...genuine, headers: { ...genuine.headers, 'x-received-from': 'a shovel' } });
    expect(heard).toHaveLength(1);
  });

  it('takes no message for one of another exchange, and no control message twice', async () => {
    const { stranger, speaker, heard, recorded, refused, say } = await meeting(EXCHANGES.control);
    const forget: OutgoingMessage = { body: encodeBody('forget ds-1') };
    await say(forget, speaker);
    await say(forget, speaker);
    expect(heard).toHaveLength(2);
    for (const message of recorded.slice()) await say(message);
    await stranger.publish(EXCHANGES.apiServers, BEAT);
    await speaker.publish(EXCHANGES.apiServers, BEAT);
    expect(heard).toHaveLength(2);
    expect(refused).toEqual([EXCHANGES.control, EXCHANGES.control]);

    const elsewhere = await meeting(EXCHANGES.apiServers);
    for (const message of recorded.slice(0, 2)) await elsewhere.say(message);
    expect(elsewhere.heard).toEqual([]);
  });

  it('believes only answers of servers with the key, to this very question', async () => {
    const { hub, listener, stranger, recorded } = await meeting(EXCHANGES.dataServers);
    let refusedAnswers = 0;
    const asker = new SignedMessageBus(new MemoryMessageBus(hub), { key, onRefused: () => (refusedAnswers += 1) });
    await listener.subscribe(EXCHANGES.dataServers, question => {
      void listener.answer(question, { body: encodeBody('genuine'), headers: { [MESSAGE_HEADERS.answer]: 'here' } });
    });
    const answers: string[] = [];
    const ask = (): Promise<unknown> =>
      asker.ask(EXCHANGES.dataServers, { body: encodeBody('name') }, answer => answers.push(answer.body.toString()));
    const eavesdropped: IncomingMessage[] = [];
    await ask();
    await delivered();
    expect(answers).toEqual(['"genuine"']);

    // An answer that somebody recorded, the question itself, and what a stranger makes up.
    const [question] = recorded;
    if (question === undefined) throw new Error('nothing was recorded');
    await stranger.ask(EXCHANGES.dataServers, question, answer => eavesdropped.push(answer));
    await delivered();
    const [recordedAnswer] = eavesdropped;
    if (recordedAnswer === undefined) throw new Error('no answer was recorded');
    answers.length = 0;
    await ask();
    await delivered();
    const latest = recorded.at(-1);
    if (latest === undefined) throw new Error('no question was recorded');
    await stranger.answer(latest, recordedAnswer);
    await stranger.answer(latest, latest);
    await stranger.answer(latest, { body: encodeBody('made up') });
    await delivered();
    expect(answers).toEqual(['"genuine"']);
    expect(refusedAnswers).toBe(3);
  });
});

describe('ReplayGuard', () => {
  it('remembers a bounded number of nonces, the latest', () => {
    const guard = new ReplayGuard(100);
    for (let index = 0; index < 1000; index += 1) expect(guard.accept(`nonce ${index}`)).toBe(true);
    for (let index = 900; index < 1000; index += 1) expect(guard.accept(`nonce ${index}`)).toBe(false);
    expect(guard.accept('nonce 0')).toBe(true);
  });
});

describe('isSignedBy', () => {
  it('survives whatever the headers hold', () => {
    for (const value of [undefined, null, [], {}, 2 ** 70, Buffer.from('x'), new Date()]) {
      const headers = { [MESSAGE_HEADERS.sequence]: value, [MESSAGE_HEADERS.signature]: 'x' };
      expect(isSignedBy(key, { context: ['x'], body: Buffer.alloc(0), headers })).toBe(false);
    }
  });
});

function without(headers: MessageHeaders, name: string): MessageHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
}

/** The in-process bus delivers in a later turn. */
async function delivered(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(resolve => setImmediate(resolve));
}
