import { describe, expect, it } from '@jest/globals';
import { WatchedBuffers } from '../testing/watched-buffers.js';
import { ReadBuffers } from './read-buffers.js';

const OWN = 1024;

describe('ReadBuffers', () => {
  it('reads into a lent buffer while much is to come, and into its own before and after', () => {
    const pool = new WatchedBuffers();
    const buffers = new ReadBuffers(pool, OWN);
    const targets = [OWN, OWN + 1, 10 * OWN, OWN].map(toReceive => buffers.choose(toReceive));

    expect(targets.map(target => pool.out.has(target))).toEqual([false, true, true, false]);
    expect(targets[3]).toBe(targets[0]);
    buffers.giveBack();
    expect(pool.out.size).toBe(0);
  });

  it('has one lent buffer at a time, however often much is to come again', () => {
    const pool = new WatchedBuffers();
    const buffers = new ReadBuffers(pool, OWN);
    for (let part = 0; part < 10; part++) for (const toReceive of [10 * OWN, 1]) buffers.choose(toReceive);

    expect([pool.taken, pool.out.size]).toEqual([1, 1]);
    buffers.giveAllBack();
    expect(pool.out.size).toBe(0);
  });

  it('goes on with its own while the pool has no large one to lend', () => {
    const pool = new WatchedBuffers();
    const others: Buffer[] = [];
    for (let large = pool.takeLarge(); large !== undefined; large = pool.takeLarge()) others.push(large);
    const buffers = new ReadBuffers(pool, OWN);
    expect([buffers.choose(10 * OWN).length, buffers.isOwn]).toEqual([OWN, true]);

    pool.give(others.pop() ?? Buffer.alloc(0));
    expect([pool.out.has(buffers.choose(10 * OWN)), buffers.isOwn]).toEqual([true, false]);
  });

  it('reads into the place of a short body, and keeps what it was lent for those who have it still', () => {
    const pool = new WatchedBuffers();
    const buffers = new ReadBuffers(pool, OWN);
    const place = Buffer.alloc(5);
    const lent = buffers.choose(10 * OWN);
    expect([buffers.choose(5, place), buffers.isInPlace, pool.out.has(lent)]).toEqual([place, true, true]);
    buffers.giveBack();
    expect(pool.out.size).toBe(0);
  });
});
