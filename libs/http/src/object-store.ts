import type { ObjectName, Stamp } from '#contracts';
import type {
  CreateOptions,
  OpenOptions,
  PutOptions,
  RemoveOptions,
  ShardAttributes,
  ShardReader,
  ShardWriter,
} from '#storage';

/**
 * What the endpoint of objects serves: names, and under each an object or several versions of it. A
 * ShardStore is one that keeps no versions; an API server with a metadata database has one that does.
 * The rules are ShardStore's, and so are its errors; a store that keeps versions adds
 * `version-not-found`, `version-is-delete-marker` and `metadata-unavailable`.
 */
export interface ObjectStore {
  /** Whether it understands `version`, and keeps all of ObjectAttributes. Where this is not true, nobody passes them. */
  readonly keepsVersions?: boolean;

  put(name: ObjectName, bytes: Buffer, options: PutObjectOptions): Promise<ObjectInfo>;
  create(name: ObjectName, options: CreateObjectOptions): Promise<ObjectWriter>;
  /** Undefined when there is no such object. */
  open(name: ObjectName, options?: OpenObjectOptions): Promise<ObjectReader | undefined>;
  /** Like open, without the bytes; `size` is always known. */
  stat(name: ObjectName, options?: StatObjectOptions): Promise<(ObjectInfo & { size: number }) | undefined>;
  /** Removes the current object, or one version for good. */
  remove(name: ObjectName, options: RemoveObjectOptions): Promise<RemovedObject>;
}

/** What a client says of its object, and gets back with it. */
export interface ObjectAttributes extends ShardAttributes {
  contentDisposition?: string;
  contentLanguage?: string;
  expires?: string;
  /** The X-Meta-* headers, by what follows that in lower case. */
  userMetadata?: Readonly<Record<string, string>>;
}

export interface ObjectInfo extends ObjectAttributes {
  /** Bytes. Undefined only in `open` of an object at a peer that sends it without a length. */
  size: number | undefined;
  /** Without quotes. Undefined at a peer. */
  etag: string | undefined;
  /** ms since 1970. Undefined at a peer. */
  modifiedMs: number | undefined;
  /** CRC-32C of all the bytes, where the server that has them told. */
  crc32c?: number | undefined;
  /** Of a ShardStore. */
  stamp?: Stamp;
  /** The id of this version, where versions are kept. */
  version?: string;
  /** Digests that somebody declared and the bytes have, in hex, by their names in RFC 9530 (`sha-256`). */
  digests?: Readonly<Record<string, string>>;
}

interface WithAttributes {
  attributes?: ObjectAttributes;
}
export type PutObjectOptions = Omit<PutOptions, 'attributes'> & WithAttributes;
export type CreateObjectOptions = Omit<CreateOptions, 'attributes'> & WithAttributes;

interface OfVersion {
  /** Default: the current object. */
  version?: string;
}
export interface OpenObjectOptions extends OpenOptions, OfVersion {}
export interface StatObjectOptions extends OfVersion {
  signal?: AbortSignal;
}
export interface RemoveObjectOptions extends RemoveOptions, OfVersion {}

export interface RemovedObject {
  existed: boolean;
  /** The tombstone's, of a ShardStore. */
  stamp?: Stamp;
  /** The version that was removed or, when none was named, the delete marker that was made. */
  version?: string;
  /** Whether `version` is, or was, a delete marker. */
  isDeleteMarker?: boolean;
}

export interface ObjectReader extends Omit<ShardReader, 'info'> {
  readonly info: ObjectInfo;
}

export interface ObjectWriter extends Omit<ShardWriter, 'commit'> {
  commit(options?: Parameters<ShardWriter['commit']>[0]): Promise<ObjectInfo>;
}
