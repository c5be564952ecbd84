import { join } from 'node:path';
import { freePort } from './free-port.js';
import { request } from './http.js';
import { loopback } from './lane.js';
import { ServerProcess } from './server-process.js';
import { tempDirectory } from './temp-directory.js';
import { waitUntil } from './wait-until.js';

/** Of a cluster, unless told otherwise. */
export const DATA_SERVERS = 6;

export interface ClusterOptions {
  brokerUrl: string;
  apiServers?: number;
  dataServers?: number;
  /** The same port on every address; free ones otherwise. */
  port?: number;
  /** For every server. */
  env?: Readonly<Record<string, string>>;
  apiEnv?: Readonly<Record<string, string>>;
  dataEnv?: Readonly<Record<string, string>>;
  /** Directories for the data servers instead of fresh ones. */
  directories?: readonly string[];
}

/** What GET /cluster says of one server. */
export interface ServerInView {
  id?: string;
  address: string;
  kind: string;
  state: string;
  reason?: string;
  lastBeatAgeMs: number;
  capacityBytes?: number;
  usedBytes?: number;
}

/** A plain cluster of real processes: API servers on 127.<lane>.2.x, data servers on 127.<lane>.1.x, each with a directory of its own. */
export class Cluster {
  private constructor(
    readonly options: ClusterOptions,
    readonly apis: readonly ServerProcess[],
    readonly datas: readonly ServerProcess[],
  ) {}

  /** Resolves when every API server sees every data server ready. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const datas = await Promise.all(
      Array.from({ length: options.dataServers ?? DATA_SERVERS }, (_, index) => dataServer(options, index)),
    );
    const apis = await Promise.all(
      Array.from({ length: options.apiServers ?? 2 }, (_, index) => apiServer(options, index)),
    );
    const cluster = new Cluster(options, apis, datas);
    await cluster.ready();
    return cluster;
  }

  /** `http://…` of the API server, counted from 0. */
  api(index = 0): string {
    const server = this.apis[index % this.apis.length];
    if (server === undefined) throw new Error('the cluster has no API server');
    return server.url;
  }

  data(index: number): ServerProcess {
    const server = this.datas[index];
    if (server === undefined) throw new Error(`the cluster has no data server ${index}`);
    return server;
  }

  /** The data server with this address. */
  at(address: string): ServerProcess {
    const server = this.datas.find(data => data.address === address);
    if (server === undefined) throw new Error(`no data server of ours listens on ${address}`);
    return server;
  }

  /** Where the object is, by asking; rejects when it is nowhere. */
  async holder(name: string): Promise<ServerProcess> {
    const [address] = await this.holders(name);
    if (address === undefined) throw new Error(`${name} is nowhere`);
    return this.at(address);
  }

  /** None when it is nowhere. While that cannot be told, since a server is silent for a moment, it is asked again. */
  async holders(name: string, api = this.api()): Promise<string[]> {
    let holders: string[] = [];
    await waitUntil(`it can be told where ${name} is`, 10_000, async () => {
      const answer = await request(`${api}/locate/${encodeURIComponent(name)}?all`);
      if (answer.status === 503) return false;
      if (answer.status !== 200 && answer.status !== 404) throw new Error(`locate of ${name}: ${answer.status}`);
      if (answer.status === 200) holders = JSON.parse(answer.body.toString('utf8')) as string[];
      return true;
    });
    return holders;
  }

  view(api = this.api()): Promise<ServerInView[]> {
    return viewOf(api);
  }

  async ready(timeoutMs = 100_000): Promise<void> {
    await Promise.all(
      [...this.datas, ...this.apis].filter(server => server.isRunning).map(server => server.ready(timeoutMs)),
    );
    const expected = this.datas.filter(server => server.isRunning).map(server => server.address);
    for (const api of this.apis.filter(server => server.isRunning)) await this.sees(api.url, expected, timeoutMs);
  }

  /** Resolves when the API server has each of the addresses as `ready`. */
  async sees(api: string, addresses: readonly string[], timeoutMs = 30_000): Promise<void> {
    await waitUntil(`${api} sees ${addresses.join(', ')} ready`, timeoutMs, async () => {
      const view = await this.view(api);
      return addresses.every(address => view.some(server => server.address === address && server.state === 'ready'));
    });
  }

  /** Ends all, API servers first, so that no client's request meets a missing data server. */
  async stop(): Promise<void> {
    await Promise.all(this.apis.map(server => server.stop()));
    await Promise.all(this.datas.map(server => server.stop()));
  }

  async kill(): Promise<void> {
    await Promise.all([...this.apis, ...this.datas].map(server => server.kill()));
  }
}

/** What an API server says of the cluster. */
export async function viewOf(api: string): Promise<ServerInView[]> {
  const answer = await request(`${api}/cluster`);
  return (JSON.parse(answer.body.toString('utf8')) as { servers: ServerInView[] }).servers;
}

/** Resolves when the API server shows the data server as read-only, and why. */
export async function saysThatItIsFull(api: string, address: string): Promise<void> {
  await waitUntil(`${address} is said to be full`, 15_000, async () => {
    const seen = (await viewOf(api)).find(server => server.address === address);
    return seen?.state === 'read-only' && /space|full/i.test(seen.reason ?? '');
  });
}

/** One more data server for a broker, e.g. beside peers. */
export async function dataServer(options: ClusterOptions, index: number): Promise<ServerProcess> {
  const host = loopback(`1.${index + 1}`);
  return new ServerProcess({
    program: 'data-server',
    name: `data server ${index + 1}`,
    env: {
      LISTEN_ADDRESS: `${host}:${options.port ?? (await freePort(host))}`,
      STORAGE_ROOT: options.directories?.[index] ?? join(tempDirectory('store'), 'store'),
      RABBITMQ_SERVER: options.brokerUrl,
      ...options.env,
      ...options.dataEnv,
    },
  });
}

export async function apiServer(options: ClusterOptions, index: number): Promise<ServerProcess> {
  const host = loopback(`2.${index + 1}`);
  return new ServerProcess({
    program: 'api-server',
    name: `API server ${index + 1}`,
    env: {
      LISTEN_ADDRESS: `${host}:${options.port ?? (await freePort(host))}`,
      RABBITMQ_SERVER: options.brokerUrl,
      WORKERS: '1',
      ...options.env,
      ...options.apiEnv,
    },
  });
}
