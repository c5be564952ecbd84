import { describe, expect, it } from '@jest/globals';
import type { Heartbeat } from '#contracts';
import { ClusterView, MAX_VIEW_MEMBERS, type ClusterViewOptions, type ViewEvent } from './cluster-view.js';
import { LogicalClock } from './logical-clock.js';
import type { Member } from './member.js';
import { beatOf } from './testing/members.js';

const EXPIRY_MS = 10_000;
const DAY_MS = 86_400_000;

/** A view on a clock of its own; `answering` holds what each address says of itself: a boot id, or `peer`. Others say nothing. */
class Rig {
  nowMs = 1000;
  readonly wallStartMs = Date.UTC(2026, 10, 21);
  readonly answering = new Map<string, string>();
  readonly events: ViewEvent[] = [];
  readonly clock = new LogicalClock(() => this.wallStartMs + this.nowMs);
  readonly view: ClusterView;

  constructor(options: Partial<ClusterViewOptions> = {}) {
    this.view = new ClusterView({
      prove: async ({ address, facts }) => {
        const answer = this.answering.get(address);
        if (answer === undefined) throw new Error('nobody answers');
        return answer === (facts?.bootId ?? 'peer');
      },
      clock: this.clock,
      expiryMs: EXPIRY_MS,
      forgetAfterMs: 7 * DAY_MS,
      monotonicNowMs: () => this.nowMs,
      wallNowMs: () => this.wallStartMs + this.nowMs,
      report: event => this.events.push(event),
      ...options,
    });
    this.view.busChanged('up');
  }

  /** A server that is up: it answers at its address, and beats. */
  async hear(beat: Heartbeat, answers = true): Promise<void> {
    if (answers) this.answering.set(beat.address, beat.facts?.bootId ?? 'peer');
    this.view.observe(beat);
    await settle();
  }

  async pass(ms: number, stepMs = 1000): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.nowMs += Math.min(stepMs, ms - passed);
      this.view.sweep();
      await settle();
    }
  }

  count(kind: ViewEvent['kind']): number {
    return this.events.filter(event => event.kind === kind).length;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

function keys(members: readonly Member[]): string[] {
  return members.map(member => member.key).toSorted();
}

describe('ClusterView: who lives', () => {
  it('takes in a server once it has proven itself, and lets it go when it is silent for longer than the expiry', async () => {
    const rig = new Rig();
    await rig.pass(EXPIRY_MS);
    await rig.hear(beatOf('a'));
    expect(keys(rig.view.homes)).toEqual(['a']);
    await rig.pass(EXPIRY_MS);
    expect(keys(rig.view.homes)).toEqual(['a']);
    await rig.pass(1000);
    expect(rig.view.live).toEqual([]);
    expect(rig.view.missing).toEqual(['a']);
  });

  it('keeps everyone while the bus is down and for one expiry after', async () => {
    const rig = new Rig();
    await rig.pass(EXPIRY_MS);
    await rig.hear(beatOf('a'));
    rig.view.busChanged('down');
    await rig.pass(10 * EXPIRY_MS);
    expect(keys(rig.view.homes)).toEqual(['a']);
    rig.view.busChanged('up');
    await rig.pass(EXPIRY_MS - 1000);
    expect(keys(rig.view.homes)).toEqual(['a']);
    await rig.pass(2000);
    expect(rig.view.homes).toEqual([]);
  });

  it('blames nobody for silence while this process itself was stopped', async () => {
    const rig = new Rig();
    await rig.pass(EXPIRY_MS);
    await rig.hear(beatOf('a'));
    await rig.pass(60_000, 60_000);
    expect(keys(rig.view.homes)).toEqual(['a']);
    await rig.hear(beatOf('a', { sequence: 2 }));
    await rig.pass(EXPIRY_MS);
    expect(keys(rig.view.homes)).toEqual(['a']);
  });

  it('counts only `ready` and `read-only` servers of ours as homes', async () => {
    const rig = new Rig();
    await rig.hear(beatOf('joining', { state: 'joining' }));
    await rig.hear(beatOf('full', { state: 'read-only', reason: 'The disk is full.' }));
    await rig.hear(beatOf('leaving', { state: 'leaving' }));
    await rig.hear(beatOf('ready'));
    await rig.hear({ address: '10.0.0.9:80' });
    expect(keys(rig.view.homes)).toEqual(['full', 'ready']);
    expect(keys(rig.view.ours)).toEqual(['full', 'joining', 'leaving', 'ready']);
    expect(keys(rig.view.peers)).toEqual(['peer:10.0.0.9:80']);
  });

  it('is bounded', async () => {
    const rig = new Rig();
    for (let index = 0; index < MAX_VIEW_MEMBERS + 5; index += 1) {
      rig.view.observe({ address: `10.0.${index >> 8}.${index & 255}:80` });
    }
    expect(rig.view.live).toHaveLength(MAX_VIEW_MEMBERS);
    expect(rig.view.dropped.get('view-full')).toBe(5);
  });

  it('is settled only after every peer has had time to beat', async () => {
    const rig = new Rig();
    expect(rig.view.isSettled).toBe(false);
    await rig.pass(6000);
    expect(rig.view.isSettled).toBe(true);
  });
});

describe('ClusterView: who is believed', () => {
  it('trusts no stranger that does not answer as who it says it is, and asks again only with pauses', async () => {
    let asked = 0;
    const rig = new Rig({
      prove: () => {
        asked += 1;
        return Promise.reject(new Error('refused'));
      },
    });
    for (let sequence = 1; sequence <= 100; sequence += 1) await rig.hear(beatOf('stranger', { sequence }), false);
    expect(asked).toBe(1);
    expect(rig.view.ours).toEqual([]);
    expect(rig.view.at('stranger.test:12345')).toBeUndefined();
    expect(rig.view.snapshot().servers.map(server => server.state)).toEqual(['unproven']);
    await rig.pass(8000);
    expect(asked).toBeLessThan(8);
  });

  it('drops beats of a retired boot and old sequences, also after the server left', async () => {
    const rig = new Rig();
    await rig.hear(beatOf('a', { sequence: 7 }));
    await rig.hear(beatOf('a', { sequence: 7 }));
    await rig.hear(beatOf('a', { sequence: 3 }));
    expect(rig.view.dropped.get('old-sequence')).toBe(2);
    await rig.hear(beatOf('a', { bootId: 'a-boot-2', state: 'joining' }));
    expect(rig.view.find('a')?.facts?.bootId).toBe('a-boot-2');
    await rig.hear(beatOf('a', { sequence: 8 }), false);
    expect(rig.view.dropped.get('retired-boot')).toBe(1);
    await rig.pass(30_000);
    await rig.hear(beatOf('a', { bootId: 'a-boot-2' }), false);
    expect(rig.view.live).toEqual([]);
  });

  it('sends nothing to a restarted server before it is proven anew', async () => {
    const answers: ((answer: boolean) => void)[] = [];
    const rig = new Rig({ prove: () => new Promise(resolve => answers.push(resolve)) });
    rig.view.observe(beatOf('a'));
    answers.shift()?.(true);
    await settle();
    rig.view.observe(beatOf('a', { bootId: 'a-boot-2', state: 'joining' }));
    await settle();
    expect(rig.view.find('a')?.suspect).toBe(true);
    answers.shift()?.(false);
    answers.shift()?.(true);
    await settle();
    expect(rig.view.find('a')).toMatchObject({ proven: true, suspect: false, facts: { state: 'joining' } });
  });

  it('keeps a server whose id a liar claims for another boot at the same address', async () => {
    const rig = new Rig();
    await rig.hear(beatOf('a'));
    await rig.hear(beatOf('a', { bootId: 'lie' }), false);
    expect(rig.view.find('a')).toMatchObject({ proven: true, suspect: false, facts: { bootId: 'a-boot-1' } });
    expect(rig.view.dropped.get('not-proven')).toBe(1);
  });

  it('refuses the later of two living processes with one server id, and says so; it may follow when the first is gone', async () => {
    const rig = new Rig();
    await rig.pass(EXPIRY_MS);
    await rig.hear(beatOf('a', { address: 'first.test:1' }));
    await rig.hear(beatOf('a', { address: 'second.test:1', bootId: 'other' }));
    expect(rig.view.find('a')?.address).toBe('first.test:1');
    expect(rig.count('duplicate-id')).toBe(1);
    rig.answering.delete('first.test:1');
    await rig.pass(1000);
    await rig.hear(beatOf('a', { address: 'second.test:1', bootId: 'other', sequence: 2 }));
    await rig.pass(2000);
    expect(rig.view.find('a')?.address).toBe('second.test:1');
  });

  it('follows a server that was restarted at another address, once the old one has said nothing three times', async () => {
    const rig = new Rig();
    await rig.hear(beatOf('a', { address: 'old.test:1' }));
    rig.answering.delete('old.test:1');
    await rig.hear(beatOf('a', { address: 'new.test:1', bootId: 'next' }));
    expect(rig.view.find('a')?.address).toBe('old.test:1');
    await rig.pass(1000, 250);
    expect(rig.view.at('new.test:1')?.key).toBe('a');
    expect(rig.view.at('old.test:1')).toBeUndefined();
  });

  it.each([
    ['somebody else answers where it was', (rig: Rig) => rig.answering.set('old.test:1', 'stranger')],
    ['it said that it leaves', (rig: Rig) => rig.answering.delete('old.test:1')],
  ])('follows it at once where %s', async (what, change) => {
    const rig = new Rig();
    const state = what.includes('leaves') ? 'leaving' : 'ready';
    await rig.hear(beatOf('a', { address: 'old.test:1', state }));
    change(rig);
    await rig.hear(beatOf('a', { address: 'new.test:1', bootId: 'next' }));
    expect(rig.view.at('new.test:1')?.key).toBe('a');
  });

  it('lets nobody take the place of a server that stands still for a moment', async () => {
    const still = new Set<string>();
    const rig: Rig = new Rig({
      prove: async ({ address, facts }) => {
        if (still.has(address)) throw new Error('nobody answers');
        return rig.answering.get(address) === facts?.bootId;
      },
    });
    await rig.hear(beatOf('a', { address: 'first.test:1' }));
    still.add('first.test:1');
    await rig.hear(beatOf('a', { address: 'second.test:1', bootId: 'other' }));
    await rig.pass(250);
    expect(rig.view.find('a')).toMatchObject({ address: 'first.test:1', suspect: true });
    still.delete('first.test:1');
    await rig.pass(1000);
    expect(rig.view.find('a')).toMatchObject({ address: 'first.test:1', suspect: false });

    still.add('first.test:1');
    for (const sequence of [2, 3, 4]) {
      await rig.hear(beatOf('a', { address: 'second.test:1', bootId: 'other', sequence }));
      await rig.pass(2000);
    }
    expect(rig.view.find('a')).toMatchObject({ address: 'second.test:1', suspect: false });

    still.add('second.test:1');
    await rig.hear(beatOf('a', { address: 'third.test:1', bootId: 'third' }));
    await rig.pass(250);
    expect(rig.view.find('a')).toMatchObject({ address: 'second.test:1', suspect: true });
  });

  it('replaces whoever was at an address by the server that proved to be there now', async () => {
    const rig = new Rig();
    await rig.hear(beatOf('wiped', { address: 'host.test:1' }));
    await rig.hear(beatOf('fresh', { address: 'host.test:1' }));
    expect(keys(rig.view.live)).toEqual(['fresh']);
    expect(rig.view.missing).toEqual(['wiped']);
    await rig.hear({ address: 'host.test:1' }, false);
    expect(rig.view.dropped.get('address-taken')).toBe(1);
  });

  it('learns the clock of proven servers only', async () => {
    const rig = new Rig();
    const ahead = rig.clock.next() + 1_000_000;
    await rig.hear(beatOf('liar', { clock: ahead }), false);
    expect(rig.clock.last).toBeLessThan(ahead);
    await rig.hear(beatOf('a', { clock: ahead }));
    expect(rig.clock.last).toBe(ahead);
  });
});

describe('ClusterView: suspects', () => {
  it('suspects a member until it answers; a beat alone gets it asked', async () => {
    const rig = new Rig();
    await rig.hear(beatOf('a'));
    const [member] = rig.view.homes;
    rig.answering.delete('a.test:12345');
    if (member !== undefined) rig.view.suspect(member);
    expect(rig.view.snapshot().servers[0]?.state).toBe('suspect');
    await rig.hear(beatOf('a', { sequence: 2 }), false);
    await rig.pass(5000);
    expect(rig.view.find('a')?.suspect).toBe(true);
    await rig.hear(beatOf('a', { sequence: 3 }));
    expect(rig.view.find('a')?.suspect).toBe(false);
  });

  it('is told by a sweep, without any beat, that a suspect answers again', async () => {
    const rig = new Rig();
    await rig.hear(beatOf('a'));
    const [member] = rig.view.homes;
    if (member !== undefined) rig.view.suspect(member);
    await rig.pass(1000);
    expect(rig.view.find('a')?.suspect).toBe(false);
  });

  it('asks a member that is in doubt, and suspects it only if it does not answer', async () => {
    const rig = new Rig();
    await rig.hear(beatOf('a'));
    const [member] = rig.view.homes;
    if (member !== undefined) rig.view.doubt(member);
    await settle();
    expect(rig.view.find('a')?.suspect).toBe(false);
    rig.answering.delete('a.test:12345');
    if (member !== undefined) rig.view.doubt(member);
    await settle();
    expect(rig.view.find('a')?.suspect).toBe(true);
  });

  it('does not hold the failure of an earlier process against a later one', async () => {
    const rig = new Rig();
    await rig.hear(beatOf('a'));
    const [former] = rig.view.homes;
    await rig.hear(beatOf('a', { bootId: 'a-boot-2' }));
    if (former !== undefined) rig.view.suspect(former);
    expect(rig.view.find('a')?.suspect).toBe(false);
  });
});

describe('ClusterView: who is missed', () => {
  it('misses those that proven servers know, and never passes on hearsay', async () => {
    const rig = new Rig();
    await rig.hear(beatOf('liar', { members: ['liar', 'made-up'] }), false);
    expect(rig.view.missing).toEqual([]);
    await rig.hear(beatOf('a', { members: ['a', 'b'] }));
    expect(rig.view.missing).toEqual(['b']);
    expect(rig.view.known.map(server => server.serverId)).toEqual(['a']);
    expect(rig.view.snapshot().servers.find(server => server.id === 'b')).toEqual({
      id: 'b',
      kind: 'granary',
      state: 'missing',
    });
    await rig.hear(beatOf('b', { members: ['a', 'b'] }));
    expect(rig.view.missing).toEqual([]);
  });

  it('misses those that an earlier process knew, until they come or are forgotten for their silence', async () => {
    const rig = new Rig();
    const lastSeenAtMs = rig.wallStartMs - 6 * DAY_MS;
    const restarted = new Rig({
      forgetAfterMs: 7 * DAY_MS,
      known: [{ serverId: 'gone', address: 'gone.test:1', lastSeenAtMs }],
    });
    expect(restarted.view.missing).toEqual(['gone']);
    await restarted.pass(DAY_MS - 10_000, DAY_MS);
    expect(restarted.view.missing).toEqual(['gone']);
    await restarted.pass(20_000, 20_000);
    expect(restarted.view.missing).toEqual([]);
  });

  it('forgets a missing server when told to, and never a living one', async () => {
    const rig = new Rig({
      known: [{ serverId: 'gone', address: 'gone.test:1', lastSeenAtMs: Date.UTC(2026, 10, 20) }],
    });
    await rig.hear(beatOf('a', { members: ['a', 'gone'] }));
    expect(rig.view.forget('a')).toBe('live');
    expect(rig.view.forget('nobody')).toBe('unknown');
    expect(rig.view.forget('gone')).toBe('forgotten');
    expect(rig.view.missing).toEqual([]);
    expect(keys(rig.view.homes)).toEqual(['a']);
  });
});

describe('ClusterView: an operator that is ahead of this view', () => {
  it('has a server forgotten that falls silent, and remembered that beats again', async () => {
    const rig = new Rig();
    await rig.hear(beatOf('a', { members: ['a', 'b', 'c'] }));
    await rig.hear(beatOf('b'));
    await rig.hear(beatOf('c'));
    expect([rig.view.forget('b'), rig.view.forget('c')]).toEqual(['live', 'live']);
    await rig.hear(beatOf('c', { sequence: 2 }));
    await rig.pass(4_000, 1_000);
    await rig.hear(beatOf('a', { sequence: 2, members: ['a', 'c'] }));
    await rig.pass(8_000, 1_000);
    expect(keys(rig.view.homes)).toEqual(['a']);
    expect(rig.view.missing).toEqual(['c']);
  });
});

describe('ClusterView: changes', () => {
  it('tells of what placement could notice, and not of each beat', async () => {
    const rig = new Rig();
    let changes = 0;
    const stop = rig.view.onChange(() => (changes += 1));
    await rig.hear(beatOf('a'));
    expect(changes).toBe(2);
    await rig.hear(beatOf('a', { sequence: 2, usedBytes: 5, clock: 9 }));
    const [member] = rig.view.homes;
    if (member !== undefined) rig.view.suspect(member);
    expect(changes).toBe(2);
    await rig.hear(beatOf('a', { sequence: 3, state: 'read-only' }));
    expect(changes).toBe(3);
    stop();
    await rig.hear(beatOf('b'));
    expect(changes).toBe(3);
  });
});
