import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * `refuse` resets new connections, `swallow` takes them and lets nothing through; both cut or freeze what is
 * open. `delay` lets all through, but what the server says only after `delayMs`.
 */
export type ProxyMode = 'pass' | 'refuse' | 'swallow' | 'delay';

/** A network between two servers that a test can break: data servers are advertised behind it. */
export class TcpProxy {
  mode: ProxyMode = 'pass';
  delayMs = 2_000;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly host: string,
    private readonly upstream: string,
  ) {}

  static async start(host: string, upstream: string): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: false });
    const proxy = new TcpProxy(server, host, upstream);
    server.on('connection', socket => proxy.accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, host, resolve);
    });
    return proxy;
  }

  get address(): string {
    return `${this.host}:${(this.server.address() as AddressInfo).port}`;
  }

  switchTo(mode: ProxyMode): void {
    this.mode = mode;
    for (const socket of this.sockets) {
      if (mode === 'refuse') socket.resetAndDestroy();
      else if (mode === 'swallow') socket.pause();
      else socket.resume();
    }
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise(resolve => this.server.close(resolve));
  }

  private accept(client: Socket): void {
    if (this.mode === 'refuse') return void client.resetAndDestroy();
    const [host = '', port] = this.upstream.split(':');
    const server = connect(Number(port), host);
    this.join(client, server, false);
    this.join(server, client, true);
    if (this.mode === 'swallow') client.pause();
  }

  private join(from: Socket, to: Socket, delays: boolean): void {
    this.sockets.add(from);
    let held = 0;
    let arrival = Promise.resolve();
    // What comes after the delay has ended must not overtake what came before.
    const hold = async (chunk: Buffer, arrived: Promise<void>): Promise<void> => {
      const late = this.mode === 'delay' ? sleep(this.delayMs) : undefined;
      await arrived;
      await late;
      held--;
      if (to.writable) to.write(chunk);
    };
    from.on('data', chunk => {
      if (delays && (this.mode === 'delay' || held > 0)) {
        held++;
        arrival = hold(chunk, arrival);
      } else if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => this.mode !== 'swallow' && from.resume());
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.sockets.delete(from);
      to.destroy();
    });
  }
}
