import { connect, type Socket } from 'node:net';

/** A connection on which a test says exactly what it wants, well-formed or not. */
export class RawClient {
  private readonly received: Buffer[] = [];
  private isClosed = false;
  private wasReset = false;
  private changed: () => void = () => {};

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received.push(chunk);
      this.changed();
    });
    socket.on('error', () => {
      this.wasReset = true;
    });
    socket.on('close', () => {
      this.isClosed = true;
      this.changed();
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  /** Sends everything at once, and returns all that came until the server closed. */
  static async exchange(port: number, request: string | Buffer): Promise<string> {
    const client = await RawClient.connect(port);
    client.send(request);
    await client.untilClosed();
    return client.text;
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  get text(): string {
    return Buffer.concat(this.received).toString('latin1');
  }

  get ended(): { isClosed: boolean; wasReset: boolean } {
    return { isClosed: this.isClosed, wasReset: this.wasReset };
  }

  untilText(pattern: RegExp, withinMs = 20_000): Promise<string> {
    return this.until(() => (pattern.test(this.text) ? this.text : undefined), `text like ${pattern}`, withinMs);
  }

  /** The server's end; ours follows. */
  async untilClosed(withinMs = 20_000): Promise<void> {
    this.socket.once('end', () => this.socket.end());
    if (this.socket.readableEnded) this.socket.end();
    await this.until(() => this.isClosed || undefined, 'the end of the connection', withinMs);
  }

  destroy(): void {
    this.socket.destroy();
  }

  private until<T>(look: () => T | undefined, what: string, withinMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.socket.destroy();
        reject(new Error(`No ${what} within ${withinMs} ms; received: ${JSON.stringify(this.text.slice(0, 500))}`));
      }, withinMs);
      this.changed = () => {
        const found = look();
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
      };
      this.changed();
    });
  }
}
