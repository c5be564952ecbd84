import { EXCHANGES, GranaryError, encodeControl, parseControl, parseHeartbeat, type Cluster } from '#contracts';
import type { ClusterView } from '#cluster';
import type { BusStatus, IncomingMessage, MessageBus } from '#mq';

/** Who asks for beats can use none that come later. */
const CONTROL_TTL_MS = 5000;

/** How an API server follows who belongs to the cluster, and what an operator may say about that. */
export class Membership {
  constructor(
    private readonly view: ClusterView,
    private readonly bus: MessageBus,
    private readonly onMalformed: (exchange: string) => void,
  ) {}

  /** To be called when the exchanges are subscribed to. Asks for beats whenever the bus comes up. Returns how to stop. */
  start(): () => void {
    const follow = (status: BusStatus): void => {
      this.view.busChanged(status);
      if (status === 'up') void this.#askForBeats();
    };
    follow(this.bus.status);
    return this.bus.onStatus(follow);
  }

  /** A message on `apiServers`. */
  hearBeat({ body, headers }: IncomingMessage): void {
    const beat = parseHeartbeat(body, headers);
    if (beat === undefined) this.onMalformed(EXCHANGES.apiServers);
    else this.view.observe(beat);
  }

  /** A message on `granary.control`. */
  hearControl({ body }: IncomingMessage): void {
    const message = parseControl(body);
    if (message === undefined) this.onMalformed(EXCHANGES.control);
    else if (message.kind === 'forget') this.view.forget(message.serverId);
  }

  sweep(): void {
    this.view.sweep();
  }

  describe(): Cluster {
    return this.view.snapshot();
  }

  /** Has every server forget one that is missing. The others would remind us of it, so they must be told. */
  async forget(serverId: string): Promise<void> {
    if (this.view.find(serverId)?.proven === true) {
      throw new GranaryError('precondition-failed', `Data server ${serverId} is alive.`);
    }
    if (!this.view.missing.includes(serverId)) {
      throw new GranaryError('route-not-found', `No data server ${serverId} is missing.`);
    }
    try {
      await this.bus.publish(EXCHANGES.control, {
        body: encodeControl({ kind: 'forget', serverId }),
        ttlMs: CONTROL_TTL_MS,
      });
    } catch (cause) {
      throw new GranaryError('data-server-unavailable', 'The other servers cannot be told: the broker is away.', {
        cause,
      });
    }
    this.view.forget(serverId);
  }

  async #askForBeats(): Promise<void> {
    try {
      await this.bus.publish(EXCHANGES.control, { body: encodeControl({ kind: 'beat-now' }), ttlMs: CONTROL_TTL_MS });
    } catch {
      // They beat by themselves within seconds.
    }
  }
}
