import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect, type Channel, type ChannelModel } from 'amqplib';
import { loopback } from '../harness/lane.js';

export interface StrangerOptions {
  /** What it says of itself at /identity; otherwise what it says to everything. */
  identity?: { serverId: string; bootId: string };
}

/** Answers every request as a data server of anybody might, and remembers them. */
export class Stranger {
  readonly requests: string[] = [];
  receivedBytes = 0;

  private constructor(
    private readonly server: Server,
    { identity }: StrangerOptions,
  ) {
    server.on('request', (request, response) => {
      this.requests.push(`${request.method} ${request.url}`);
      request.on('data', (chunk: Buffer) => (this.receivedBytes += chunk.length));
      const isAsked = identity !== undefined && request.url === '/identity';
      const answer = isAsked ? JSON.stringify({ ...identity, version: '0.0.0' }) : 'bytes of a stranger';
      request.on('end', () => response.end(answer));
    });
  }

  static async start(options: StrangerOptions = {}): Promise<Stranger> {
    const server = createServer();
    await new Promise<void>(resolve => server.listen(0, loopback('1.200'), resolve));
    return new Stranger(server, options);
  }

  get address(): string {
    return `${loopback('1.200')}:${(this.server.address() as AddressInfo).port}`;
  }

  /** Beats as a peer would, or as a server of ours, with whatever headers that needs. */
  beat(channel: Channel, headers: Record<string, unknown> = {}): void {
    channel.publish('apiServers', '', Buffer.from(JSON.stringify(this.address)), { headers });
  }

  /** From then on answers every locate request that it has what is asked for. */
  async answerLocates(channel: Channel): Promise<void> {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, 'dataServers', '');
    const answer = Buffer.from(JSON.stringify(this.address));
    await channel.consume(
      queue,
      message => {
        if (message === null) return;
        const { replyTo, correlationId } = message.properties;
        channel.publish('', String(replyTo), answer, { correlationId });
      },
      { noAck: true },
    );
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise(resolve => this.server.close(resolve));
  }
}

/** The headers of a heartbeat of ours that makes its sender everybody's first choice. */
export function forgedFacts(serverId: string, bootId: string, sequence: number): Record<string, unknown> {
  return {
    'granary-protocol': 1,
    'granary-server-id': serverId,
    'granary-boot-id': bootId,
    'granary-sequence': sequence,
    'granary-state': 'ready',
    'granary-capacity': 1e15,
    'granary-used': 0,
    'granary-clock': '1',
    'granary-members': serverId,
    'granary-frames': 1,
  };
}

/** A channel that closes when the work on it is done, and everything on it was sent. */
export async function withChannel(brokerUrl: string, use: (channel: Channel) => Promise<void>): Promise<void> {
  const connection: ChannelModel = await connect(brokerUrl);
  connection.on('error', () => undefined);
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  try {
    await use(channel);
    // The channel first: the connection's end would overtake what is still to be sent.
    await channel.close();
  } finally {
    await connection.close();
  }
}
