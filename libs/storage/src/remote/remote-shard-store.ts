import { GRANARY_HEADERS, parseStamp, type ObjectName } from '#contracts';
import type {
  CreateOptions,
  OpenOptions,
  PutOptions,
  RemoveOptions,
  RemoveResult,
  ShardInfo,
  ShardReader,
  ShardStore,
  ShardWriter,
} from '../shard-store.js';
import type { DataServerClient } from './data-server-client.js';
import { DataServerUnavailable } from '../data-server-unavailable.js';
import type { Response } from './http-connection.js';
import {
  preconditionFields,
  putFields,
  rangeField,
  readAttributes,
  readContentRange,
  readInfo,
  stampFields,
} from './object-fields.js';
import { isProblem, refusalOf, saysNotFound, unexpectedAnswer } from './refusal.js';
import { RemoteShardReader } from './remote-shard-reader.js';
import { RemoteShardWriter } from './remote-shard-writer.js';
import { StreamedUpload } from './streamed-upload.js';

/**
 * The store of one of our data servers, over HTTP (docs/protocol). A server that cannot be reached,
 * breaks off or answers nonsense is DataServerUnavailable; what it refuses is the same code here.
 * Two limits beyond the port's: a reader makes a request for each range that was not prefetched, so
 * an object replaced meanwhile fails with reason `changed`; and digests that are told only at commit
 * need a writer of unknown length, since they travel behind the body.
 */
export class RemoteShardStore implements ShardStore {
  constructor(private readonly client: DataServerClient) {}

  async put(key: ObjectName, bytes: Buffer, options: PutOptions): Promise<ShardInfo> {
    const fields = putFields(options);
    fields.push(['Content-Length', String(bytes.length)]);
    // Done twice, a condition or a move would be refused by its own first success.
    const isRepeatable = options.stamp !== undefined && !options.precondition && !options.move;
    const request = { method: 'PUT', key, fields, body: bytes, signal: options.signal } as const;
    const response = await this.client.write(request, isRepeatable);
    if (response.status !== 200) throw await refusalOf(this.address, response);
    response.discard();
    return readInfo(this.address, response, bytes.length, options.attributes ?? {});
  }

  async create(key: ObjectName, options: CreateOptions): Promise<ShardWriter> {
    const { length, signal } = options;
    // RFC 9110 §10.1.1: no expectation without content, so an empty body is one of no chunks.
    const framing = length === undefined || length === 0 ? 'chunked' : 'length';
    const fields = putFields(options);
    fields.push(framing === 'length' ? ['Content-Length', String(length)] : ['Transfer-Encoding', 'chunked']);
    fields.push(['Expect', '100-continue']);
    const connection = await this.client.beginUpload({ method: 'PUT', key, fields, signal }, true);
    const upload = new StreamedUpload(this.client, connection, framing, length);
    if (connection.hasAnswered) throw await upload.refusal(connection);
    return new RemoteShardWriter(this.address, upload, framing, options);
  }

  async open(key: ObjectName, { prefetch, signal }: OpenOptions = {}): Promise<ShardReader | undefined> {
    const fields = prefetch === undefined ? [] : [rangeField(prefetch)];
    const response = await this.client.read({ method: 'GET', key, fields, signal });
    switch (response.status) {
      case 200:
        return this.readerOfWhole(key, response);
      case 206:
        return this.readerOfPart(key, response);
      case 416:
        response.discard();
        return this.readerOfNothing(key, signal);
      default:
        if (await saysNotFound(response)) return undefined;
        throw await refusalOf(this.address, response);
    }
  }

  async stat(
    key: ObjectName,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<(ShardInfo & { size: number }) | undefined> {
    const response = await this.client.read({ method: 'HEAD', key, signal });
    // An answer to HEAD has no body that would tell which 404 it is.
    if (response.status === 404 && isProblem(response)) return undefined;
    const length = response.header('content-length');
    if (response.status !== 200 || length === undefined) throw unexpectedAnswer(this.address, response);
    return readInfo(this.address, response, Number(length), readAttributes(response));
  }

  async remove(key: ObjectName, options: RemoveOptions): Promise<RemoveResult> {
    const { precondition, stamp, remember, signal } = options;
    const fields = [...preconditionFields(precondition), ...stampFields(stamp)];
    if (remember === true) fields.push([GRANARY_HEADERS.remember, '1']);
    // Not repeated: the second answer would say that there was nothing to remove.
    const response = await this.client.write({ method: 'DELETE', key, fields, signal }, false);
    const existed = response.status === 204;
    if (!existed && !(await saysNotFound(response))) throw await refusalOf(this.address, response);
    const tombstone = parseStamp(response.header(GRANARY_HEADERS.stamp));
    if (tombstone === undefined) throw unexpectedAnswer(this.address, response, 'without a stamp');
    return { existed, stamp: tombstone };
  }

  private get address(): string {
    return this.client.address;
  }

  private readerOfWhole(key: ObjectName, response: Response): ShardReader {
    const size = response.bodyLength;
    if (size === undefined) throw this.inconsistent(response);
    const info = this.describe(response, size);
    return new RemoteShardReader(this.client, key, info, { response, range: { first: 0, last: size - 1 } });
  }

  private readerOfPart(key: ObjectName, response: Response): ShardReader {
    const { range, size } = readContentRange(response) ?? {};
    if (range === undefined || size === undefined || response.bodyLength !== range.last - range.first + 1) {
      throw this.inconsistent(response);
    }
    return new RemoteShardReader(this.client, key, this.describe(response, size), { response, range });
  }

  private async readerOfNothing(key: ObjectName, signal: AbortSignal | undefined): Promise<ShardReader | undefined> {
    const info = await this.stat(key, { signal });
    return info && new RemoteShardReader(this.client, key, info, undefined);
  }

  private describe(response: Response, size: number): ShardInfo & { size: number } {
    try {
      return readInfo(this.address, response, size, readAttributes(response));
    } catch (error) {
      response.discard();
      throw error;
    }
  }

  private inconsistent(response: Response): DataServerUnavailable {
    response.discard();
    return new DataServerUnavailable(this.address, 'malformed', 'answered with a length that cannot be');
  }
}
