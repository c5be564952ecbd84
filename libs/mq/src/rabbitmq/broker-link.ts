import { connect, type AmqpConnectionManager } from 'amqp-connection-manager';
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';
import { describeFailure } from './describe-failure.js';
import { within } from './within.js';

const CONNECT_TIMEOUT_MS = 2000;
const PREPARE_TIMEOUT_MS = 3000;
const CLOSE_TIMEOUT_MS = 1000;
/** A second line of defence: the bus's own ping notices a hung broker sooner. */
const HEARTBEAT_SECONDS = 4;
const MIN_RECONNECT_SECONDS = 0.2;
const MAX_RECONNECT_SECONDS = 1;

export interface BrokerLinkOptions {
  url: string;
  /** Shown in the broker's list of connections. */
  name: string;
  /** Opens the channels of a fresh connection and declares all that is needed on it. */
  prepare(connection: LinkedConnection): Promise<void>;
  /** The prepared connection is gone, or one could not be made. Another attempt follows within a second. */
  onDown(reason: string): void;
  /** The broker reads nothing more from this connection (resource alarm), or does so again (undefined). */
  onBlocked(reason: string | undefined): void;
}

/**
 * One connection to the broker that is always made anew. Whatever goes wrong on it (a channel closed,
 * a consumer cancelled, a ping lost) ends the whole connection, and the next one is prepared from
 * scratch: one way of recovery for every fault.
 */
export class BrokerLink {
  readonly #options: BrokerLinkOptions;
  readonly #manager: AmqpConnectionManager;
  #socket = new AbortController();
  #connection: LinkedConnection | undefined;

  constructor(options: BrokerLinkOptions) {
    this.#options = options;
    this.#manager = connect(null, {
      heartbeatIntervalInSeconds: HEARTBEAT_SECONDS,
      reconnectTimeInSeconds: MAX_RECONNECT_SECONDS,
      findServers: async () => this.#nextAttempt(),
    });
    // The types of amqp-connection-manager know amqplib's former name for what it hands out.
    this.#manager.on('connect', ({ connection }) => void this.#prepare(connection as unknown as ChannelModel));
    this.#manager.on('connectFailed', ({ err }) => {
      this.#drawReconnectTime();
      options.onDown(describeFailure(err));
    });
    this.#manager.on('disconnect', ({ err }: { err?: Error }) => {
      this.#drawReconnectTime();
      // Else we gave it up ourselves, for a reason that was told already.
      if (this.#connection !== undefined) this.#lost(err === undefined ? 'connection closed' : describeFailure(err));
    });
    this.#manager.on('blocked', ({ reason }) => options.onBlocked(reason));
    this.#manager.on('unblocked', () => options.onBlocked(undefined));
  }

  /** Gives the present connection up. */
  fail(reason: string): void {
    this.#connection?.fail(reason);
  }

  /** Waits for the broker's goodbye no longer than a second. */
  async close(): Promise<void> {
    this.#connection = undefined;
    await within(CLOSE_TIMEOUT_MS, 'closing the connection', this.#manager.close()).catch(() => undefined);
    this.#socket.abort();
  }

  #nextAttempt(): { url: string; connectionOptions: object } {
    this.#socket = new AbortController();
    return {
      url: this.#options.url,
      connectionOptions: {
        noDelay: true,
        timeout: CONNECT_TIMEOUT_MS,
        // The one way to end a connection on which the broker answers nothing any more.
        signal: this.#socket.signal,
        clientProperties: { connection_name: this.#options.name },
      },
    };
  }

  async #prepare(model: ChannelModel): Promise<void> {
    const socket = this.#socket;
    const connection = new LinkedConnection(model, reason => {
      if (this.#connection !== connection) return;
      this.#lost(reason);
      socket.abort();
    });
    this.#connection = connection;
    try {
      await within(PREPARE_TIMEOUT_MS, 'setting up the connection', this.#options.prepare(connection));
    } catch (error) {
      connection.fail(describeFailure(error));
    }
  }

  #lost(reason: string): void {
    this.#connection = undefined;
    this.#options.onDown(reason);
  }

  /** The manager reads it right after the event of a loss. */
  #drawReconnectTime(): void {
    this.#manager.reconnectTimeInSeconds =
      MIN_RECONNECT_SECONDS + Math.random() * (MAX_RECONNECT_SECONDS - MIN_RECONNECT_SECONDS);
  }
}

/** A connection whose channels stand and fall with it. */
export class LinkedConnection {
  constructor(
    private readonly model: ChannelModel,
    /** Gives the connection up; without effect when it is gone already. */
    readonly fail: (reason: string) => void,
  ) {}

  async openChannel(): Promise<Channel> {
    return this.#bind(await this.model.createChannel());
  }

  async openConfirmChannel(): Promise<ConfirmChannel> {
    return this.#bind(await this.model.createConfirmChannel());
  }

  #bind<T extends Channel>(channel: T): T {
    channel.on('error', (error: Error) => this.fail(describeFailure(error)));
    // Channels close before their connection says why it does; its reason is the better one.
    channel.on('close', () => setImmediate(() => this.fail('a channel was closed')));
    return channel;
  }
}
