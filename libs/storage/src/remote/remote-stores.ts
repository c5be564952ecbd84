import { receiveBuffers, type BufferPool } from '../buffer-pool.js';
import { DeadlineWatch } from '../frames/client/deadline-watch.js';
import { FrameClient } from '../frames/client/frame-client.js';
import { FrameConnection } from '../frames/client/frame-connection.js';
import { FrameShardStore } from '../frames/client/frame-shard-store.js';
import { PutBatches } from '../frames/client/put-batches.js';
import type { Space } from '../frames/codec/frame-types.js';
import type { RequestSigner } from '../request-signer.js';
import type { ServerAnswer, ServerCall } from '../server-call.js';
import type { ShardListing, ShardStore } from '../shard-store.js';
import { callServer } from './call-server.js';
import { ConnectionPool, type ConnectionPoolOptions, type ServerHealthListener } from './connection-pool.js';
import { DataServerClient, type ClientTimeouts } from './data-server-client.js';
import { PeerShardStore } from './peer-shard-store.js';
import { HttpConnection } from './http-connection.js';
import { RemoteShardStore } from './remote-shard-store.js';

/**
 * How a data server is spoken to. `frames`: one of ours that says it speaks the frame protocol.
 * `granary`: one of ours, over HTTP. `peer`: one of another implementation.
 */
export type DataServerKind = 'frames' | 'granary' | 'peer';

/** What is meant at an address, for those that speak frames; the others have objects only, and no secret. */
export interface StoreAtOptions {
  /** Default: `objects`. */
  space?: Space;
  /** Who must be there. Default: whoever is. */
  serverId?: string | undefined;
}

export interface RemoteStoresOptions extends Partial<
  ClientTimeouts & Omit<ConnectionPoolOptions, 'buffers' | 'health'>
> {
  buffers?: BufferPool;
  health?: ServerHealthListener;
  /** 32 bytes that the servers of a cluster share; used with those that speak frames. */
  authKey?: Buffer | undefined;
  /** In a cluster with a secret: signs what goes to servers of ours. */
  signer?: RequestSigner;
}

type Options = ClientTimeouts & ConnectionPoolOptions & Pick<RemoteStoresOptions, 'signer'>;

const DEFAULTS: ClientTimeouts & ConnectionPoolOptions = {
  connectMs: 1000,
  continueMs: 1000,
  answerMs: 2000,
  probeMs: 500,
  commitMs: 10_000,
  stallMs: 30_000,
  waitMs: 2000,
  idleMs: 10_000,
  maxIdle: 64,
  maxConnections: 1024,
  buffers: receiveBuffers,
  health: { onAnswer: () => {}, onFailure: () => {} },
};

interface Known {
  pool: Pool;
  storeOf: (space: Space) => ShardStore;
  stores: Map<Space, ShardStore>;
}

type Pool = ConnectionPool<HttpConnection> | ConnectionPool<FrameConnection>;

/** The stores of the data servers of a cluster, and the connections to them. */
export class RemoteStores {
  private readonly options: Options;
  private readonly authKey: Buffer | undefined;
  private readonly deadlines = new DeadlineWatch();
  private readonly known = new Map<string, Known>();
  private isClosed = false;

  constructor({ authKey, ...options }: RemoteStoresOptions = {}) {
    this.options = { ...DEFAULTS, ...options };
    this.authKey = authKey;
  }

  /** Connects at the first use. */
  storeAt(address: string, kind: 'frames', options?: StoreAtOptions): ShardStore & ShardListing;
  storeAt(address: string, kind: DataServerKind, options?: StoreAtOptions): ShardStore;
  storeAt(address: string, kind: DataServerKind, { space = 'objects', serverId }: StoreAtOptions = {}): ShardStore {
    const key = serverId === undefined ? `${kind} ${address}` : `${kind} ${address} ${serverId}`;
    const known = this.known.get(key) ?? this.learn(key, address, kind, serverId);
    let store = known.stores.get(space);
    if (store === undefined) known.stores.set(space, (store = known.storeOf(space)));
    return store;
  }

  /** A request of another kind, on a connection of its own. */
  call(call: ServerCall): Promise<ServerAnswer> {
    return callServer(call, this.options);
  }

  /** Closes the connections to all other servers, busy ones when their exchange ends. */
  retain(addresses: ReadonlySet<string>): void {
    for (const [key, { pool }] of this.known) {
      if (addresses.has(pool.address)) continue;
      pool.close();
      this.known.delete(key);
    }
  }

  close(): void {
    this.isClosed = true;
    this.retain(new Set());
  }

  private learn(key: string, address: string, kind: DataServerKind, serverId: string | undefined): Known {
    const made = kind === 'frames' ? this.overFrames(address, serverId) : this.overHttp(address, kind);
    const known = { ...made, stores: new Map<Space, ShardStore>() };
    if (this.isClosed) known.pool.close();
    else this.known.set(key, known);
    return known;
  }

  private overFrames(address: string, serverId: string | undefined): Omit<Known, 'stores'> {
    const { options, authKey, deadlines } = this;
    const pool = new ConnectionPool<FrameConnection>(address, options, (at, hooks) =>
      FrameConnection.open(at, { ...options, ...hooks, authKey, serverId, deadlines }),
    );
    const client = new FrameClient(pool, options);
    const batches = new PutBatches(client, options.waitMs);
    return { pool, storeOf: space => new FrameShardStore(client, batches, space) };
  }

  private overHttp(address: string, kind: 'granary' | 'peer'): Omit<Known, 'stores'> {
    const { options } = this;
    const pool = new ConnectionPool<HttpConnection>(address, options, (at, hooks) =>
      HttpConnection.open(at, { ...options, ...hooks }),
    );
    const client = new DataServerClient(pool, options, kind === 'granary' ? options.signer : undefined);
    return {
      pool,
      storeOf: space => {
        if (space !== 'objects') throw new Error(`The ${space} of ${address} can be had over frames only.`);
        return kind === 'granary' ? new RemoteShardStore(client) : new PeerShardStore(client);
      },
    };
  }
}
