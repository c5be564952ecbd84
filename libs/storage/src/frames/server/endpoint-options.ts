import type { GranaryError } from '#contracts';
import type { LocalShardStore, ShardCatalog } from '../../shard-store.js';
import type { Space } from '../codec/frame-types.js';

/** A store as it is served: its objects, and what is told of all of them. */
export type ServedStore = LocalShardStore & Pick<ShardCatalog, 'entries' | 'nameOf'>;

/** What a client may ask for, by its frame. */
export type Operation = 'GET' | 'STAT' | 'PUT' | 'REMOVE' | 'LIST' | 'PING';

export interface FrameEndpointOptions {
  /** A request for a space that is not here is refused. */
  spaces: { [Name in Space]?: ServedStore | undefined };
  serverId: string;
  /** 32 bytes that the servers of a cluster share. With it, each connection begins with a mutual challenge. */
  authKey?: Buffer | undefined;
  /** Why nothing is served at present, if so. */
  refusal?: (() => GranaryError | undefined) | undefined;
  /** A client could not prove that it has the key, or asked for none where there is one. For the audit log. */
  onRefused?: ((reason: string, remoteAddress: string) => void) | undefined;
  /** A request failed, by whosever fault. For the log. */
  onFailure?: ((operation: Operation, error: GranaryError) => void) | undefined;
  /** Called once per request, when its answer has been handed over. The status is that of HTTP. */
  observe?: ((operation: Operation, status: number, seconds: number) => void) | undefined;
  /** Gets every chunk that was read, each of which is a buffer of its own: to free what nobody looks at any more, to count the rest. */
  chunks?: { count(bytes: number): void; free(chunk: Buffer): void } | undefined;
  /** A transfer that makes no progress for this long is ended. Default: 30 s. */
  stallTimeoutMs?: number | undefined;
  /** Until the client has introduced itself. Default: 5 s. */
  handshakeTimeoutMs?: number | undefined;
  /** A connection without a request for this long is closed. Default: 65 s. */
  idleTimeoutMs?: number | undefined;
  /** The largest body that a client may send unasked. */
  maxWholeBytes?: number | undefined;
}

export type SessionOptions = FrameEndpointOptions &
  Required<{
    [Name in 'stallTimeoutMs' | 'handshakeTimeoutMs' | 'idleTimeoutMs' | 'maxWholeBytes']: number;
  }>;
