import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { nameSegment } from './name-segment.js';
import { PeerQueue } from './peer-queue.js';

export interface PeerDataServerOptions {
  brokerUrl: string;
  /** The host to listen on; the port is free unless given. */
  host: string;
  port?: number;
  heartbeatIntervalMs?: number;
  /** What it does wrong, changeable while it runs. */
  misbehaviour?: Misbehaviour;
}

export interface Misbehaviour {
  /** Answers each locate this much later. */
  answerDelayMs?: number;
  /** Answers no locate at all. */
  silent?: boolean;
  /** Ends a GET's body after so many bytes: with a clean end, or by breaking the connection. */
  cutAfterBytes?: { bytes: number; end: 'clean' | 'broken' };
  /** Answers every PUT with 500. */
  failPuts?: boolean;
}

/** From this size on a body goes out chunked, without a length. */
const CHUNKED_FROM_BYTES = 512;

/**
 * A data server of another implementation, written from the protocol's description alone. It keeps
 * objects under the verbatim spelling of the first path segment, beats with its address every 5 s,
 * answers a locate only when it has the object, and dies (`crashed`) of anything it does not expect.
 */
export class PeerDataServer {
  readonly objects = new Map<string, Buffer>();
  misbehaviour: Misbehaviour;
  /** Every request's method and raw URL, for assertions. */
  readonly requests: { method: string; url: string; headers: IncomingMessage['headers'] }[] = [];
  crashed: Error | undefined;

  private readonly server: Server;
  private queue: PeerQueue | undefined;
  private beat: NodeJS.Timeout | undefined;

  private constructor(private readonly options: PeerDataServerOptions) {
    this.misbehaviour = options.misbehaviour ?? {};
    this.server = createServer((request, response) => void this.handle(request, response).catch(this.crash));
  }

  static async start(options: PeerDataServerOptions): Promise<PeerDataServer> {
    const server = new PeerDataServer(options);
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

  async stop(): Promise<void> {
    clearInterval(this.beat);
    this.server.closeAllConnections();
    if (this.server.listening) await new Promise(resolve => this.server.close(resolve));
    await this.queue?.close();
  }

  private async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.options.port ?? 0, this.options.host, resolve);
    });
  }

  private async join(): Promise<void> {
    const queue = await PeerQueue.open(this.options.brokerUrl, this.crash);
    this.queue = queue;
    await queue.bind('dataServers');
    await queue.consume((segment, replyTo) => this.answer(segment, replyTo));
    const sendBeat = () => queue.publish('apiServers', this.address);
    sendBeat();
    this.beat = setInterval(sendBeat, this.options.heartbeatIntervalMs ?? 5_000);
  }

  private answer(segment: string, replyTo: string): void {
    if (this.misbehaviour.silent === true || !this.objects.has(segment)) return;
    const reply = () => this.queue?.reply(replyTo, this.address);
    if (this.misbehaviour.answerDelayMs === undefined) reply();
    else setTimeout(reply, this.misbehaviour.answerDelayMs);
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '';
    this.requests.push({ method: request.method ?? '', url, headers: request.headers });
    const segment = nameSegment(url, 'objects');
    if (segment === undefined) return end(response, 404);
    if (request.method === 'PUT') return this.put(segment, request, response);
    if (request.method === 'GET') return this.get(segment, response);
    return end(response, 405);
  }

  /** Stores whatever arrived, even of a body that was cut short. */
  private async put(segment: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bytesUntilTheEnd(request);
    if (this.misbehaviour.failPuts === true) return end(response, 500);
    this.objects.set(segment, body);
    end(response, 200);
  }

  private get(segment: string, response: ServerResponse): void {
    const body = this.objects.get(segment);
    if (body === undefined) return end(response, 404);
    response.setHeader('Content-Type', 'text/plain; charset=utf-8');
    if (body.length < CHUNKED_FROM_BYTES) response.setHeader('Content-Length', body.length);
    const cut = this.misbehaviour.cutAfterBytes;
    // Written apart from the end, or Node would add a length.
    response.write(body.subarray(0, cut?.bytes), () => {
      if (cut?.end === 'broken') response.destroy();
      else response.end();
    });
  }

  private readonly crash = (error: Error): void => {
    this.crashed ??= error;
    void this.stop();
  };
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'Content-Length': 0 }).end();
}

async function bytesUntilTheEnd(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    // The client is gone. What came is kept, as peers do.
  }
  return Buffer.concat(chunks);
}
