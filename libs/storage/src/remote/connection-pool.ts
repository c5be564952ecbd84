import { startDeadline, type Cancel } from '#time';
import type { BufferPool } from '../buffer-pool.js';
import { DataServerUnavailable } from '../data-server-unavailable.js';
import type { ClientTls } from './connect-socket.js';

/** Told what a data server does, for the cluster view. A refusal of ours or of a client is an answer like any other. */
export interface ServerHealthListener {
  onAnswer(address: string): void;
  onFailure(address: string, error: DataServerUnavailable): void;
}

/** A connection that carries one exchange after another. */
export interface PooledConnection {
  /** When it last became idle, in the ms of performance.now(). The pool's. */
  idleSinceMs: number;
  close(): void;
}

/** What a connection tells its pool. */
export interface ConnectionHooks<C> {
  /** The connection may carry another exchange. */
  onIdle(connection: C): void;
  /** It cannot; called once. */
  onClosed(connection: C): void;
  /** The server has begun to answer. */
  onAnswer(): void;
  /** The server failed to take the connection or broke off an exchange. Not called when an idle connection turns out to be dead. */
  onFailure(error: DataServerUnavailable): void;
}

/** Rejects with DataServerUnavailable, after `onClosed`. */
export type OpenConnection<C> = (address: string, hooks: ConnectionHooks<C>) => Promise<C>;

export interface ConnectionPoolOptions {
  connectMs: number;
  stallMs: number;
  /** How long to wait for a connection when all are in use. */
  waitMs: number;
  /** Kept open unused at most so long. Less than our data servers' own limit. */
  idleMs: number;
  maxIdle: number;
  maxConnections: number;
  buffers: BufferPool;
  health: ServerHealthListener;
  /** In a cluster that speaks TLS. */
  tls?: ClientTls;
}

interface Waiter<C> {
  resolve(connection: C): void;
  reject(error: unknown): void;
  cancelDeadline: Cancel;
}

/** The connections to one data server: the one used last is used first, so that the others grow old and are closed. */
export class ConnectionPool<C extends PooledConnection> {
  private readonly idle: C[] = [];
  private readonly waiters = new Set<Waiter<C>>();
  private readonly hooks: ConnectionHooks<C>;
  private open = 0;
  private sweeper: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    readonly address: string,
    private readonly options: Omit<ConnectionPoolOptions, 'connectMs' | 'stallMs' | 'buffers'>,
    private readonly openConnection: OpenConnection<C>,
  ) {
    const { health } = options;
    this.hooks = {
      onIdle: connection => this.keep(connection),
      onClosed: connection => this.forget(connection),
      onAnswer: () => health.onAnswer(address),
      onFailure: error => health.onFailure(address, error),
    };
  }

  /** A connection for one exchange, which comes back by itself. `fresh`: a new one, as the idle ones turned out to be dead. */
  async acquire(options: { fresh?: boolean } = {}): Promise<C> {
    if (this.closed) throw new DataServerUnavailable(this.address, 'unreachable', 'has left the cluster');
    if (options.fresh === true) this.closeIdle(0);
    const connection = this.takeIdle();
    if (connection !== undefined) return connection;
    if (this.open < this.options.maxConnections) return this.connect();
    return this.waitForOne();
  }

  /** The same, without a wait, if one is idle. */
  takeIdle(): C | undefined {
    return this.idle.pop();
  }

  /** Closes what is idle now, and the others as their exchanges end. */
  close(): void {
    this.closed = true;
    this.closeIdle(0);
    for (const waiter of this.waiters) this.turnAway(waiter, 'has left the cluster');
  }

  private connect(): Promise<C> {
    this.open += 1;
    return this.openConnection(this.address, this.hooks);
  }

  private waitForOne(): Promise<C> {
    const { waitMs, maxConnections } = this.options;
    return new Promise((resolve, reject) => {
      const cancelDeadline = startDeadline(waitMs, () => {
        this.turnAway(waiter, `had none of its ${maxConnections} connections free for ${waitMs} ms`);
      });
      const waiter: Waiter<C> = { resolve, reject, cancelDeadline };
      this.waiters.add(waiter);
    });
  }

  private turnAway(waiter: Waiter<C>, detail: string): void {
    this.waiters.delete(waiter);
    waiter.cancelDeadline();
    waiter.reject(new DataServerUnavailable(this.address, 'unreachable', detail));
  }

  private nextWaiter(): Waiter<C> | undefined {
    const [waiter] = this.waiters;
    if (waiter === undefined) return undefined;
    this.waiters.delete(waiter);
    waiter.cancelDeadline();
    return waiter;
  }

  private keep(connection: C): void {
    const waiter = this.nextWaiter();
    if (waiter !== undefined) return waiter.resolve(connection);
    if (this.closed || this.idle.length >= this.options.maxIdle) return connection.close();
    connection.idleSinceMs = performance.now();
    this.idle.push(connection);
    this.sweepLater();
  }

  private forget(connection: C): void {
    this.open -= 1;
    const at = this.idle.indexOf(connection);
    if (at !== -1) this.idle.splice(at, 1);
    const waiter = this.nextWaiter();
    if (waiter !== undefined) this.connect().then(waiter.resolve, waiter.reject);
  }

  private sweepLater(): void {
    this.sweeper ??= setTimeout(() => {
      this.sweeper = undefined;
      this.closeIdle(this.options.idleMs);
      if (this.idle.length > 0) this.sweepLater();
    }, this.options.idleMs / 4).unref();
  }

  private closeIdle(atLeastMs: number): void {
    const before = performance.now() - atLeastMs;
    const old = this.idle.filter(connection => connection.idleSinceMs <= before);
    for (const connection of old) connection.close();
  }
}
