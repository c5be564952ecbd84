import { connect, type Socket } from 'node:net';
import { AnswerParser, type Answer } from './answer-parser.js';

/** What is sent: the head is complete, the body's parts go out as they are, without a copy. */
export interface OutgoingRequest {
  head: string;
  body?: readonly Buffer[];
}

const READ_BUFFER_BYTES = 256 * 1024;
const WRITE_SLICE_BYTES = 1024 * 1024;

/**
 * A keep-alive HTTP/1.1 connection with one request in flight, on a bare socket with a reused read
 * buffer: a load generator that shares its machine with the servers must cost less than they do.
 * Bodies are counted and dropped. Reconnects by itself when the server closed the connection.
 */
export class HttpConnection {
  private socket: Socket | undefined;
  private readonly parser = new AnswerParser();
  private waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;
  private readonly readBuffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);

  constructor(
    private readonly host: string,
    private readonly port: number,
  ) {}

  async send(request: OutgoingRequest): Promise<Answer> {
    const socket = this.socket ?? (await this.open());
    const answered = new Promise<Answer>((resolve, reject) => (this.waiting = { resolve, reject }));
    socket.cork();
    socket.write(request.head, 'latin1');
    if (request.body === undefined) socket.uncork();
    else await Promise.race([this.writeBody(socket, request.body), answered]);
    const answer = await answered;
    if (answer.closes) this.close();
    return answer;
  }

  close(): void {
    this.socket?.destroy();
    this.socket = undefined;
  }

  private open(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: this.host,
        port: this.port,
        noDelay: true,
        onread: { buffer: this.readBuffer, callback: count => this.read(count) },
      });
      socket.once('connect', () => resolve(socket));
      socket.on('error', error => this.fail(socket, error, reject));
      socket.on('close', () => this.fail(socket, new Error('the server closed the connection'), reject));
      this.parser.reset();
      this.socket = socket;
    });
  }

  private async writeBody(socket: Socket, parts: readonly Buffer[]): Promise<void> {
    for (const part of parts) {
      for (let offset = 0; offset < part.length; offset += WRITE_SLICE_BYTES) {
        const flushed = socket.write(part.subarray(offset, offset + WRITE_SLICE_BYTES));
        if (!flushed && socket.writableLength > WRITE_SLICE_BYTES) {
          socket.uncork();
          await new Promise(resolve => socket.once('drain', resolve));
        }
      }
    }
    socket.uncork();
  }

  private read(count: number): boolean {
    const answer = this.parser.feed(this.readBuffer, count);
    if (answer === undefined) return true;
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.resolve(answer);
    return true;
  }

  private fail(socket: Socket, error: Error, rejectOpen: (error: Error) => void): void {
    rejectOpen(error);
    if (this.socket !== socket) return;
    this.socket = undefined;
    this.waiting?.reject(error);
    this.waiting = undefined;
  }
}
