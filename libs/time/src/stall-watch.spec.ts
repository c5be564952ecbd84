import { once } from 'node:events';
import { Server, connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { StallWatch, unlessHeard } from './stall-watch.js';

const STALL_TIMEOUT_MS = 30_000;

describe('a stall watch', () => {
  beforeEach(() => void jest.useFakeTimers({ now: 1 }));
  afterEach(() => void jest.useRealTimers());

  it('finds after the whole time that nothing came', () => {
    const watch = new StallWatch(STALL_TIMEOUT_MS);
    const checks = [1, 2, 3].map(() => {
      jest.advanceTimersByTime(watch.checkMs);
      return watch.sendsNothing(100);
    });
    expect(performance.now()).toBe(STALL_TIMEOUT_MS);
    expect(checks).toEqual([false, false, true]);
  });

  it('finds at the second check that it hears of that nothing was taken', () => {
    const watch = new StallWatch(STALL_TIMEOUT_MS);
    expect(watch.takesNothing(100)).toBe(false);
    jest.advanceTimersByTime(watch.checkMs);
    expect(watch.takesNothing(100)).toBe(true);
  });

  it('does not take for a stall that something moved, or that the check came late', () => {
    const watch = new StallWatch(STALL_TIMEOUT_MS);
    for (let moved = 0; moved < 5; moved += 1) {
      expect(watch.takesNothing(moved)).toBe(false);
      jest.advanceTimersByTime(watch.checkMs);
    }
    expect(watch.takesNothing(5)).toBe(false);
    jest.advanceTimersByTime(2 * watch.checkMs);
    expect(watch.takesNothing(5)).toBe(false);
    jest.advanceTimersByTime(watch.checkMs);
    expect(watch.takesNothing(5)).toBe(true);
  });
});

describe('the idle timer of a socket', () => {
  const open: (Socket | Server)[] = [];
  afterEach(() => {
    for (const each of open.splice(0))
      if (each instanceof Server) each.close();
      else each.destroy();
  });

  it('is not believed when something had arrived during a pause of the process', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [socket] = (await once(server, 'connection')) as [Socket];
    socket.resume();
    open.push(client, socket, server);
    let judged = 0;
    socket.setTimeout(50);
    socket.on('timeout', () => unlessHeard(socket, () => (judged += 1)));

    await new Promise(resolve => client.write('in time', resolve));
    const arrival = once(socket, 'data');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    await arrival;
    await nextTurn();
    expect([judged, socket.bytesRead]).toEqual([0, 'in time'.length]);
    for (let turn = 0; turn < 500 && judged === 0; turn += 1) await sleep(10);
    expect(judged).toBeGreaterThan(0);
  });
});
