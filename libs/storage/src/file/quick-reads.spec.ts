import { describe, expect, it } from '@jest/globals';
import { quickReads } from './quick-reads.js';

/** A clock and a disk of its own: `read` takes so long, and so many blocks from the disk. */
function fixture() {
  let now = 1000;
  let blocks = 50;
  const quickRead = quickReads({ nowMs: () => now, blocksRead: () => blocks });
  return {
    read: (ms: number, fromDisk = 0, length = 1024) =>
      quickRead(length, () => {
        now += ms;
        blocks += fromDisk;
        return length;
      }),
    wait: (ms: number) => (now += ms),
    readElsewhere: () => (blocks += 1),
  };
}

describe('quickReads', () => {
  it('reads on the spot what the page cache has, and leaves large reads to threads', () => {
    const { read } = fixture();
    expect(read(0.01)).toBe(1024);
    expect(read(0.01, 0, 128 * 1024)).toBe(128 * 1024);
    expect(read(0.01, 0, 128 * 1024 + 1)).toBeUndefined();
  });

  it('leaves everything to threads for a hundred times as long as it waited for the disk', () => {
    const { read, wait } = fixture();
    expect(read(5, 8)).toBe(1024);
    wait(499);
    expect(read(0.01)).toBeUndefined();
    wait(2);
    expect(read(0.01)).toBe(1024);
  });

  it('waits for a hung disk ten seconds at most', () => {
    const { read, wait } = fixture();
    read(60_000, 8);
    wait(9999);
    expect(read(0.01)).toBeUndefined();
    wait(2);
    expect(read(0.01)).toBe(1024);
  });

  it('goes on when the process had only to wait for the processor', () => {
    const { read } = fixture();
    expect(read(3)).toBe(1024);
    expect(read(0.01)).toBe(1024);
    expect(read(3)).toBe(1024);
    expect(read(0.01)).toBe(1024);
  });

  it('believes that for a twentieth of the time at most, where a file system does not count', () => {
    const { read, wait } = fixture();
    let heldUpMs = 0;
    const seconds = 60;
    for (let millisecond = 0; millisecond < seconds * 1000; millisecond += 1) {
      // Slow and fast ones in turns.
      if (read(10) !== undefined) heldUpMs += 10;
      read(0.01);
      wait(1);
    }
    expect(heldUpMs).toBeGreaterThan(100);
    // Time went on while it was held up, too.
    expect(heldUpMs).toBeLessThan((seconds * 1000 + heldUpMs) * 0.065 + 200);
  });

  it('does not believe it of a long wait', () => {
    const { read, wait } = fixture();
    expect(read(101)).toBe(1024);
    wait(9999);
    expect(read(0.01)).toBeUndefined();
  });

  it('takes what others read from the disk meanwhile for its own, once', () => {
    const { read, wait, readElsewhere } = fixture();
    readElsewhere();
    read(3);
    expect(read(0.01)).toBeUndefined();
    wait(300);
    read(0.01);
    read(3);
    expect(read(0.01)).toBe(1024);
  });

  it('counts a read that fails like any other', () => {
    let now = 0;
    const quickRead = quickReads({ nowMs: () => now, blocksRead: () => now });
    const failing = () => {
      now += 5;
      throw new Error('EIO');
    };
    expect(() => quickRead(1024, failing)).toThrow('EIO');
    expect(quickRead(1024, () => 1024)).toBeUndefined();
  });
});
