import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { GRANARY_HEADERS, GranaryError, REQUEST_ID_HEADER, parseStamp, type Stamp } from '#contracts';
import { expectedDigests } from './content-digest.js';
import type { Exchange } from './exchange.js';
import { countChunk, freeChunk } from './garbage.js';
import { readBody } from './incoming-body.js';
import { pushGranaryHeaders } from './object-headers.js';
import type { ObjectInfo, ObjectWriter, PutObjectOptions } from './object-store.js';
import { writePrecondition } from './preconditions.js';
import { readAttributes, readObjectAttributes } from './read-attributes.js';
import { expectsContinue } from './request-checks.js';

const DEFAULT_MAX_COLLECTED_BYTES = 64 * 1024;

/** PUT /objects/<name>: the object is durable and visible when the 200 leaves, or nothing was stored. */
export async function answerPut(exchange: Exchange): Promise<void> {
  const { req, res, options } = exchange;
  if (exchange.version !== undefined)
    throw new GranaryError('query-invalid', 'A PUT makes a version; it can name none.');
  const length = declaredLength(req);
  checkSize(length ?? 0, options.maxObjectSizeBytes);
  const putOptions = readPutOptions(exchange);
  const info = await storeBody(exchange, length, putOptions);
  const headers = ['Content-Length', '0', REQUEST_ID_HEADER, exchange.requestId];
  if (info.etag !== undefined) headers.push('ETag', `"${info.etag}"`);
  if (info.version !== undefined) headers.push(GRANARY_HEADERS.version, info.version);
  if (options.trustGranaryHeaders === true) pushGranaryHeaders(headers, info);
  res.writeHead(200, headers);
  res.end();
}

/** RFC 9112 §6.3. Undefined for a chunked body; node's parser has refused both at once, duplicates and signs. */
function declaredLength(req: IncomingMessage): number | undefined {
  if (req.headers['transfer-encoding'] !== undefined) return undefined;
  const length = req.headers['content-length'];
  if (length === undefined) {
    throw new GranaryError('length-required', 'A PUT needs Content-Length or Transfer-Encoding: chunked.');
  }
  return Number(length);
}

function checkSize(bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) {
    throw new GranaryError(
      'object-too-large',
      `The body has ${bytes} bytes or more; at most ${maxBytes} are accepted.`,
    );
  }
}

function readPutOptions({ req: { headers }, store, options }: Exchange): PutObjectOptions {
  if (headers['content-range'] !== undefined) {
    // RFC 9110 §14.5: storing a part as if it were the whole would destroy the object.
    throw new GranaryError('header-invalid', 'A PUT stores whole objects; Content-Range is refused.');
  }
  // Field by field: what is spread has a shape of its own each time, and whoever reads it pays for that.
  const putOptions: PutObjectOptions = {
    attributes: store.keepsVersions === true ? readObjectAttributes(headers) : readAttributes(headers),
  };
  const expected = expectedDigests(headers);
  if (expected !== undefined) putOptions.expected = expected;
  const precondition = writePrecondition(headers);
  if (precondition !== undefined) putOptions.precondition = precondition;
  if (options.trustGranaryHeaders === true) readGranaryHeaders(headers, putOptions);
  return putOptions;
}

function readGranaryHeaders(headers: IncomingHttpHeaders, into: PutObjectOptions): void {
  const stamp = readStamp(headers);
  if (stamp !== undefined) into.stamp = stamp;
  const move = headers[GRANARY_HEADERS.move];
  if (move === undefined) return;
  const modifiedMs = Number(move);
  if (stamp === undefined || !Number.isSafeInteger(modifiedMs) || modifiedMs < 0) {
    throw new GranaryError('header-invalid', 'Granary-Move needs a time in ms, and a Granary-Stamp beside it.');
  }
  into.move = { modifiedMs };
}

/** Granary-Stamp of a request from another of our servers. Throws `header-invalid`. */
export function readStamp(headers: IncomingHttpHeaders): Stamp | undefined {
  const text = headers[GRANARY_HEADERS.stamp];
  if (text === undefined) return undefined;
  const stamp = parseStamp(String(text));
  if (stamp === undefined) throw new GranaryError('header-invalid', 'Granary-Stamp is not a stamp.');
  return stamp;
}

/**
 * A small body is collected and stored with one call; of a chunked one that is known only once it
 * outgrew the limit. Every other body is streamed, after the store has made the checks that need no
 * body: only then is a client that waits for it asked to continue (RFC 9110 §10.1.1).
 */
async function storeBody(
  exchange: Exchange,
  length: number | undefined,
  putOptions: PutObjectOptions,
): Promise<ObjectInfo> {
  const { req, res, store, name, options } = exchange;
  const maxCollectedBytes = options.maxCollectedBytes ?? DEFAULT_MAX_COLLECTED_BYTES;
  let writer: ObjectWriter | undefined;
  let collected: Buffer[] = [];
  let receivedBytes = 0;

  const beginStreaming = async (): Promise<void> => {
    writer = await store.create(name, { ...putOptions, ...(length !== undefined && { length }) });
    if (collected.length > 0) await writer.write(Buffer.concat(collected));
    collected = [];
  };
  const take = (chunk: Buffer): Promise<void> | undefined => {
    receivedBytes += chunk.length;
    checkSize(receivedBytes, options.maxObjectSizeBytes);
    if (writer !== undefined) return pass(chunk, writer);
    countChunk(chunk.length);
    collected.push(chunk);
    return receivedBytes > maxCollectedBytes ? beginStreaming() : undefined;
  };

  try {
    const isAwaitingContinue = expectsContinue(req);
    if (isAwaitingContinue || (length ?? 0) > maxCollectedBytes) await beginStreaming();
    if (isAwaitingContinue) res.writeContinue();
    await readBody(req, take);
    // RFC 9530 §2: digests may come behind the body, in trailers.
    const trailing = expectedDigests(req.trailers);
    if (trailing !== undefined) putOptions.expected = { ...putOptions.expected, ...trailing };
    if (writer !== undefined) return await writer.commit({ expected: putOptions.expected ?? {} });
    return await store.put(name, joined(collected), putOptions);
  } catch (error) {
    await writer?.abort();
    throw error;
  }
}

/** What the writer fails with may come while the chunk is still being read: then it is left to the collector. */
function pass(chunk: Buffer, writer: ObjectWriter): Promise<void> | undefined {
  const writing = writer.write(chunk);
  if (writer.releasesChunks !== true) countChunk(chunk.length);
  else if (writing === undefined) freeChunk(chunk);
  else return writing.then(() => freeChunk(chunk));
  return writing;
}

function joined(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks;
  return only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks);
}
