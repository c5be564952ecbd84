import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from '@jest/globals';
import { ConnectionPool, type ConnectionHooks, type PooledConnection } from './connection-pool.js';

const WAIT_MS = 20;

/** A pool of one connection at most, which is in use, and somebody who waits for it. */
async function crowded() {
  let hooks: ConnectionHooks<PooledConnection> | undefined;
  const opened: PooledConnection[] = [];
  const pool = new ConnectionPool<PooledConnection>(
    '127.0.0.1:1',
    {
      waitMs: WAIT_MS,
      idleMs: 10_000,
      maxIdle: 1,
      maxConnections: 1,
      health: { onAnswer: () => undefined, onFailure: () => undefined },
    },
    async (_address, given) => {
      hooks = given;
      await nextTurn();
      const connection: PooledConnection = { idleSinceMs: 0, close: () => given.onClosed(connection) };
      opened.push(connection);
      return connection;
    },
  );
  const first = await pool.acquire();
  const waiting = pool.acquire();
  waiting.catch(() => undefined);
  return { pool, opened, first, waiting, hooks: hooks as ConnectionHooks<PooledConnection> };
}

/** The process stands still beyond the wait; what happened meanwhile is heard of after the timers. */
function pauseUntilHeard(event: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port2.once('message', () => {
    event();
    port1.close();
  });
  port1.postMessage('in time');
  const endMs = performance.now() + 5 * WAIT_MS;
  while (performance.now() < endMs);
}

describe('who waits for a connection', () => {
  it('is turned away in time', async () => {
    const { waiting } = await crowded();
    await expect(waiting).rejects.toMatchObject({ code: 'data-server-unavailable' });
  });

  it('gets the one that became free during a pause', async () => {
    const { hooks, first, waiting } = await crowded();
    pauseUntilHeard(() => hooks.onIdle(first));
    expect(await waiting).toBe(first);
  });

  it('gets a new one for one that closed during a pause, and none is lost', async () => {
    const { pool, opened, hooks, first, waiting } = await crowded();
    pauseUntilHeard(() => hooks.onClosed(first));
    const second = await waiting;
    expect([opened.length, second]).toEqual([2, opened[1]]);
    await sleep(2 * WAIT_MS);
    hooks.onIdle(second);
    expect(pool.takeIdle()).toBe(second);
    pool.close();
  });
});
