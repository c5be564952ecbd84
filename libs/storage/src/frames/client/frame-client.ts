import type { ConnectionPool } from '../../remote/connection-pool.js';
import type { ClientTimeouts } from '../../remote/data-server-client.js';
import { encodeEmpty } from '../codec/answer-frames.js';
import { FRAMES } from '../codec/frame-types.js';
import type { Answer } from './answer.js';
import type { FrameConnection, FrameExchange } from './frame-connection.js';

/** An answer, and the connection that it came on; if it leaves the exchange open, that goes on there. */
export interface Answered {
  answer: Answer;
  connection: FrameConnection;
}

/** The exchanges with one data server: each on a connection of the pool, and repeated once if that had died idle and repeating is safe. */
export class FrameClient {
  constructor(
    private readonly pool: ConnectionPool<FrameConnection>,
    private readonly timeouts: Omit<ClientTimeouts, 'continueMs'>,
  ) {}

  get address(): string {
    return this.pool.address;
  }

  /** What changes nothing. */
  read(exchange: FrameExchange): Promise<Answered> {
    return this.converse(exchange, true, connection => connection.receive(this.timeouts.answerMs));
  }

  /** What may change something. `isRepeatable`: done twice it is as if done once, the answer included. */
  write(exchange: FrameExchange, isRepeatable: boolean): Promise<Answered> {
    return this.converse(exchange, isRepeatable, connection => this.receiveOutcome(connection));
  }

  /** The next answer of a list. */
  receiveNext(connection: FrameConnection): Promise<Answer> {
    return connection.receive(this.timeouts.answerMs);
  }

  /** The answer to what may wait for a disk: that gets time, a server that hangs does not. */
  receiveOutcome(connection: FrameConnection): Promise<Answer> {
    return connection.receive(this.timeouts.answerMs, () => void this.waitLonger(connection));
  }

  private async converse(
    exchange: FrameExchange,
    isRepeatable: boolean,
    talk: (connection: FrameConnection) => Promise<Answer>,
  ): Promise<Answered> {
    exchange.signal?.throwIfAborted();
    const connection = this.pool.takeIdle() ?? (await this.pool.acquire());
    try {
      connection.start(exchange);
      return { answer: await talk(connection), connection };
    } catch (error) {
      if (!isRepeatable || !connection.wasStale) throw error;
    }
    const fresh = await this.pool.acquire({ fresh: true });
    fresh.start(exchange);
    return { answer: await talk(fresh), connection: fresh };
  }

  private async waitLonger(connection: FrameConnection): Promise<void> {
    const { answerMs, commitMs } = this.timeouts;
    if (await this.isAlive()) connection.extend(commitMs - answerMs);
    else connection.breakOff('timeout', 'takes connections and requests, but answers nothing');
  }

  /** Any answer on another connection will do. */
  private async isAlive(): Promise<boolean> {
    try {
      const connection = await this.pool.acquire();
      connection.start({ kind: 'read', request: exchange => [encodeEmpty(FRAMES.ping, exchange)] });
      await connection.receive(this.timeouts.probeMs);
      return true;
    } catch {
      return false;
    }
  }
}
