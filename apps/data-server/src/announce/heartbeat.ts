import { EXCHANGES, encodeBody, heartbeatHeaders } from '#contracts';
import type { MessageBus } from '#mq';
import type { Logger } from '#telemetry';
import type { OwnServer } from './own-server.js';

export interface HeartbeatOptions {
  own: OwnServer;
  bus: MessageBus;
  intervalMs: number;
  /** Ids of the other servers that this one knows to belong to the cluster. */
  otherMembers: () => readonly string[];
  logger: Logger;
  metrics: { sent: { inc(): void }; failed: { inc(): void } };
}

/** Tells the cluster that this server lives, where, and how it is. */
export class Heartbeat {
  #sequence = 0;
  #askedFor: NodeJS.Timeout | undefined;

  constructor(private readonly options: HeartbeatOptions) {}

  /** Nothing is sent, now or later, while the bus is down. Never rejects. */
  async beat(): Promise<void> {
    const { own, bus, intervalMs, otherMembers, logger, metrics } = this.options;
    if (bus.status === 'down') return;
    this.#sequence += 1;
    const facts = own.facts(this.#sequence, [own.serverId, ...otherMembers()]);
    try {
      await bus.publish(EXCHANGES.apiServers, {
        body: encodeBody(own.address),
        headers: heartbeatHeaders(facts),
        ttlMs: intervalMs,
      });
      metrics.sent.inc();
    } catch (error) {
      metrics.failed.inc();
      logger.debug({ err: error }, 'a heartbeat could not be sent');
    }
  }

  /** For one who asked: soon, and once for all who ask at the same time. */
  beatSoon(): void {
    if (this.#askedFor !== undefined) return;
    this.#askedFor = setTimeout(() => {
      this.#askedFor = undefined;
      void this.beat();
    }, ASKED_DELAY_MS).unref();
  }
}

const ASKED_DELAY_MS = 20;
