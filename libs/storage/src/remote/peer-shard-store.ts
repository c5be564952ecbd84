import { GranaryError, type ObjectName } from '#contracts';
import { checkPrecondition } from '../commit-rules.js';
import { DigestComputation, checkDigests, declaredAlgorithms } from '../declared-digests.js';
import type {
  CreateOptions,
  ExpectedDigests,
  OpenOptions,
  Precondition,
  PutOptions,
  RemoveOptions,
  RemoveResult,
  ShardInfo,
  ShardReader,
  ShardStore,
  ShardWriter,
} from '../shard-store.js';
import type { DataServerClient, Field } from './data-server-client.js';
import type { Response } from './http-connection.js';
import { PeerShardReader } from './peer-shard-reader.js';
import { refusalOf } from './refusal.js';
import { StreamedUpload } from './streamed-upload.js';

const CHUNKED: Field = ['Transfer-Encoding', 'chunked'];

/**
 * A data server of another implementation, of which nothing may be assumed but `PUT` with a chunked body
 * and `GET` (docs/protocol). So this store promises less than the port: it knows no stamps, tags or
 * times, keeps no attributes, and reads a range by reading and skipping. Preconditions are looked at
 * before a write, not decided with it. Digests are verified here before the end of a body is sent, but
 * a peer may keep a body that is cut off then, as it may keep one whose client went away.
 */
export class PeerShardStore implements ShardStore {
  constructor(private readonly client: DataServerClient) {}

  async put(key: ObjectName, bytes: Buffer, options: PutOptions): Promise<ShardInfo> {
    checkDigests(bytes, options.expected);
    await this.checkBeforeWrite(key, options);
    const upload = await this.begin(key, options.signal);
    await upload.write(bytes);
    (await upload.finish()).discard();
    return infoOf(bytes.length);
  }

  async create(key: ObjectName, options: CreateOptions): Promise<ShardWriter> {
    await this.checkBeforeWrite(key, options);
    return new PeerShardWriter(await this.begin(key, options.signal, options.length), options);
  }

  async open(key: ObjectName, { signal }: OpenOptions = {}): Promise<ShardReader | undefined> {
    const response = await this.get(key, signal);
    if (response === undefined) return undefined;
    const contentType = response.header('content-type');
    const info = { ...infoOf(response.bodyLength), ...(contentType !== undefined && { contentType }) };
    return new PeerShardReader(this.client.address, info, response, abort => this.get(key, abort));
  }

  /** Reads through an object that comes without a length. */
  async stat(
    key: ObjectName,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<(ShardInfo & { size: number }) | undefined> {
    const reader = await this.open(key, signal === undefined ? {} : { signal });
    if (reader === undefined) return undefined;
    try {
      let size = reader.info.size ?? 0;
      if (reader.info.size === undefined) await reader.copyTo(chunk => void (size += chunk.length));
      return { ...reader.info, size };
    } finally {
      await reader.close();
    }
  }

  /** Rejects with `peer-cannot`, unless there is nothing to remove. */
  async remove(key: ObjectName, options: RemoveOptions): Promise<RemoveResult> {
    await this.checkPrecondition(key, options.precondition, options.signal);
    if (await this.has(key, options.signal)) throw this.cannot('delete an object');
    return { existed: false, stamp: options.stamp ?? 0 };
  }

  private async get(key: ObjectName, signal: AbortSignal | undefined): Promise<Response | undefined> {
    const response = await this.client.read({ method: 'GET', key, signal });
    if (response.status === 200) return response;
    if (response.status !== 404) throw await refusalOf(this.client.address, response);
    response.discard();
    return undefined;
  }

  private async has(key: ObjectName, signal: AbortSignal | undefined): Promise<boolean> {
    const response = await this.get(key, signal);
    response?.discard();
    return response !== undefined;
  }

  private async checkBeforeWrite(key: ObjectName, { precondition, move, signal }: PutOptions): Promise<void> {
    signal?.throwIfAborted();
    if (move !== undefined) throw this.cannot('keep the stamp of a copy');
    await this.checkPrecondition(key, precondition, signal);
  }

  private async checkPrecondition(
    key: ObjectName,
    precondition: Precondition | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (precondition === undefined) return;
    checkPrecondition(precondition, (await this.has(key, signal)) ? { stamp: 0, removed: false } : undefined);
  }

  private async begin(key: ObjectName, signal: AbortSignal | undefined, length?: number): Promise<StreamedUpload> {
    const request = { method: 'PUT', key, fields: [CHUNKED], signal } as const;
    return new StreamedUpload(this.client, await this.client.beginUpload(request, false), 'chunked', length);
  }

  private cannot(what: string): GranaryError {
    return new GranaryError(
      'peer-cannot',
      `Data server ${this.client.address} is of another implementation, which cannot ${what}.`,
    );
  }
}

class PeerShardWriter implements ShardWriter {
  readonly releasesChunks = true;

  private readonly digests: DigestComputation;
  private received = 0;

  constructor(
    private readonly upload: StreamedUpload,
    private readonly options: CreateOptions,
  ) {
    // Digests told at commit belong to trailers, which only a body of unknown length has.
    const mayBeToldLate = options.length === undefined;
    this.digests = new DigestComputation(
      mayBeToldLate ? ['sha256', 'sha512', 'md5'] : declaredAlgorithms(options.expected),
    );
  }

  async write(chunk: Buffer): Promise<void> {
    this.received += chunk.length;
    this.digests.update(chunk);
    await this.upload.write(chunk);
  }

  async commit({ expected }: { expected?: ExpectedDigests } = {}): Promise<ShardInfo> {
    this.digests.check({ ...this.options.expected, ...expected });
    (await this.upload.finish()).discard();
    return infoOf(this.received);
  }

  async abort(): Promise<void> {
    this.upload.abort();
  }
}

function infoOf<Size extends number | undefined>(size: Size): ShardInfo & { size: Size } {
  return { size, etag: undefined, stamp: 0, modifiedMs: undefined, crc32c: undefined };
}
