import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { nameSegment } from './name-segment.js';
import { PeerQueue } from './peer-queue.js';

export interface PeerApiServerOptions {
  brokerUrl: string;
  /** The host to listen on; the port is free unless given. */
  host: string;
  port?: number;
}

const SWEEP_INTERVAL_MS = 5_000;
const EXPIRY_MS = 10_000;
const LOCATE_WAIT_MS = 1_000;

/**
 * An API server of another implementation, written from the protocol's description alone: PUT goes to
 * a random live data server, chunked; GET asks everyone over a fresh reply queue and takes the first
 * answer, whatever it says; silence for a second means 404.
 */
export class PeerApiServer {
  crashed: Error | undefined;

  private readonly lastBeatMs = new Map<string, number>();
  private readonly server: Server;
  private queue: PeerQueue | undefined;
  private sweep: NodeJS.Timeout | undefined;

  private constructor(private readonly options: PeerApiServerOptions) {
    this.server = createServer(
      (request, response) => void this.handle(request, response).catch(() => response.destroy()),
    );
  }

  static async start(options: PeerApiServerOptions): Promise<PeerApiServer> {
    const server = new PeerApiServer(options);
    await server.listen();
    await server.join().catch(async (error: unknown) => {
      await server.stop();
      throw error;
    });
    return server;
  }

  get address(): string {
    return `${this.options.host}:${(this.server.address() as AddressInfo).port}`;
  }

  get liveServers(): string[] {
    return [...this.lastBeatMs.keys()].toSorted();
  }

  async stop(): Promise<void> {
    clearInterval(this.sweep);
    this.server.closeAllConnections();
    if (this.server.listening) await new Promise(resolve => this.server.close(resolve));
    await this.queue?.close();
  }

  /** Asks everyone; undefined after a second of silence. */
  async locate(segment: string): Promise<string | undefined> {
    const queue = await PeerQueue.open(this.options.brokerUrl, this.crash);
    try {
      const answered = new Promise<string>(resolve => void queue.consume(resolve).catch(this.crash));
      queue.publish('dataServers', segment);
      return await Promise.race([answered, sleep(LOCATE_WAIT_MS, undefined)]);
    } finally {
      await queue.close();
    }
  }

  private async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.options.port ?? 0, this.options.host, resolve);
    });
  }

  private async join(): Promise<void> {
    this.queue = await PeerQueue.open(this.options.brokerUrl, this.crash);
    await this.queue.bind('apiServers');
    await this.queue.consume(address => this.lastBeatMs.set(address, performance.now()));
    this.sweep = setInterval(() => this.expire(), SWEEP_INTERVAL_MS);
  }

  private expire(): void {
    for (const [address, beatMs] of this.lastBeatMs) {
      if (performance.now() - beatMs > EXPIRY_MS) this.lastBeatMs.delete(address);
    }
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '';
    const located = nameSegment(url, 'locate');
    if (located !== undefined)
      return request.method === 'GET' ? this.answerLocate(located, response) : end(response, 405);
    const segment = nameSegment(url, 'objects');
    if (segment === undefined) return end(response, 404);
    if (request.method === 'PUT') return this.put(segment, request, response);
    if (request.method === 'GET') return this.get(segment, response);
    return end(response, 405);
  }

  private async answerLocate(segment: string, response: ServerResponse): Promise<void> {
    const address = await this.locate(segment);
    if (address === undefined) return end(response, 404);
    response.end(JSON.stringify(address));
  }

  private async put(segment: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const servers = this.liveServers;
    const address = servers[Math.floor(Math.random() * servers.length)];
    if (address === undefined) return end(response, 503);
    const answer = await putChunked(`http://${address}/objects/${segment}`, request).catch(() => undefined);
    answer?.resume();
    end(response, answer?.statusCode === 200 ? 200 : 500);
  }

  private async get(segment: string, response: ServerResponse): Promise<void> {
    const address = await this.locate(segment);
    if (address === undefined) return end(response, 404);
    const answer = await get(`http://${address}/objects/${segment}`);
    if (answer.statusCode !== 200) {
      answer.resume();
      return end(response, 404);
    }
    await pipeline(answer, response);
  }

  private readonly crash = (error: Error): void => {
    this.crashed ??= error;
    void this.stop();
  };
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'Content-Length': 0 }).end();
}

async function putChunked(url: string, body: IncomingMessage): Promise<IncomingMessage> {
  const outgoing = httpRequest(url, { method: 'PUT', headers: { 'Transfer-Encoding': 'chunked' } });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
  });
  await Promise.all([pipeline(body, outgoing), answered]);
  return answered;
}

function get(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpRequest(url).once('response', resolve).on('error', reject).end();
  });
}
