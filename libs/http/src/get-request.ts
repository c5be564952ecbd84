import { GranaryError, REQUEST_ID_HEADER } from '#contracts';
import type { ByteRange, RangeSpec, Sink } from '#storage';
import type { Exchange } from './exchange.js';
import { multipartRanges } from './multipart-ranges.js';
import type { ObjectInfo, ObjectReader, OpenObjectOptions, StatObjectOptions } from './object-store.js';
import { DEFAULT_CONTENT_TYPE, objectHeaders, validatorHeaders } from './object-headers.js';
import { evaluateRead, isConditionalRead, rangeApplies } from './preconditions.js';
import { contentRange, parseRange, resolveRanges, unsatisfiedRange } from './ranges.js';
import { ResponseBody, endWithTurn } from './response-body.js';
import { verifyRelayed } from './verify-relayed.js';

/** HEAD /objects/<name>. Range is ignored: it is defined for GET only (RFC 9110 §14.2). */
export async function answerHead(exchange: Exchange): Promise<void> {
  const info = await exchange.store.stat(exchange.name, statOptions(exchange));
  if (info === undefined) throw notFound();
  if (answerWithoutBody(exchange, info)) return;
  exchange.res.writeHead(200, headOf(exchange, info, info.size));
  endWithTurn(exchange.res);
}

/**
 * GET /objects/<name>. A failure before the first byte is answered; after it the connection is broken,
 * so that a client never takes a part for the whole.
 */
export async function answerGet(exchange: Exchange): Promise<void> {
  const { req, store, name } = exchange;
  if (isConditionalRead(req.headers)) {
    // Opening may start a transfer between servers; a validator is cheaper to ask for.
    const info = await store.stat(name, statOptions(exchange));
    if (info === undefined) throw notFound();
    if (answerWithoutBody(exchange, info)) return;
  }
  const specs = requestedRanges(req.headers.range);
  const reader = await store.open(name, openOptions(specs, exchange.version));
  if (reader === undefined) throw notFound();
  try {
    // Asked again, since another version may have come in between.
    if (answerWithoutBody(exchange, reader.info)) return;
    if (specs !== undefined && rangeApplies(req.headers, reader.info)) {
      await sendRanges(exchange, reader, specs);
    } else {
      await sendWhole(exchange, reader);
    }
  } finally {
    await reader.close();
  }
}

function notFound(): GranaryError {
  return new GranaryError('object-not-found', 'No object has this name.');
}

function headOf({ requestId, options }: Exchange, info: ObjectInfo, contentLength: number | undefined): string[] {
  const headers = objectHeaders(info, requestId, { tellGranary: options.trustGranaryHeaders === true });
  headers.push('Content-Type', info.contentType ?? DEFAULT_CONTENT_TYPE);
  if (contentLength !== undefined) headers.push('Content-Length', String(contentLength));
  return headers;
}

/** Answers 304 if the client has the object already; throws `precondition-failed`; else leaves the answer to come. */
function answerWithoutBody({ req, res, requestId }: Exchange, info: ObjectInfo): boolean {
  const verdict = evaluateRead(req.headers, info);
  if (verdict === 'send') return false;
  if (verdict === 'failed') {
    throw new GranaryError('precondition-failed', 'The object is not in the state that the request demands.');
  }
  res.writeHead(304, [...validatorHeaders(info), REQUEST_ID_HEADER, requestId]);
  endWithTurn(res);
  return true;
}

/** Undefined: the whole object is asked for. Empty: a range that no object can satisfy. */
function requestedRanges(header: string | undefined): readonly RangeSpec[] | undefined {
  if (header === undefined) return undefined;
  const specs = parseRange(header);
  if (specs === 'ignore') return undefined;
  return specs === 'invalid' ? [] : specs;
}

function openOptions(
  specs: readonly RangeSpec[] | undefined,
  version: string | undefined,
): OpenObjectOptions | undefined {
  const prefetch = specs?.[0];
  if (prefetch === undefined && version === undefined) return undefined;
  return { ...(prefetch !== undefined && { prefetch }), ...(version !== undefined && { version }) };
}

function statOptions({ version }: Exchange): StatObjectOptions | undefined {
  return version === undefined ? undefined : { version };
}

async function sendWhole(exchange: Exchange, reader: ObjectReader): Promise<void> {
  const { info } = reader;
  const body = new ResponseBody(
    exchange.res,
    () => writeHead(exchange, 200, headOf(exchange, info, info.size)),
    info.size,
  );
  await reader.copyTo(relaySink(exchange, info, body), undefined, body.copyOptions);
  body.end();
}

function writeHead({ res }: Exchange, status: number, headers: string[]): void {
  res.writeHead(status, headers);
}

function relaySink({ options }: Exchange, info: ObjectInfo, body: ResponseBody): Sink {
  if (options.verifyRelayed !== true || info.size === undefined || info.crc32c === undefined) return body.sink;
  return verifyRelayed(body.sink, info.size, info.crc32c);
}

async function sendRanges(exchange: Exchange, reader: ObjectReader, specs: readonly RangeSpec[]): Promise<void> {
  const size = await sizeOf(exchange, reader.info);
  const ranges = resolveRanges(specs, size);
  const [first] = ranges;
  if (first === undefined) {
    throw new GranaryError('range-not-satisfiable', `No requested range lies within the object's ${size} bytes.`, {
      headers: { 'Content-Range': unsatisfiedRange(size) },
    });
  }
  if (ranges.length === 1) await sendRange(exchange, reader, first, size);
  else await sendMultipart(exchange, reader, ranges, size);
}

/** A peer sends an object without its length; only a look at the whole of it tells. */
async function sizeOf(exchange: Exchange, info: ObjectInfo): Promise<number> {
  if (info.size !== undefined) return info.size;
  const stat = await exchange.store.stat(exchange.name, statOptions(exchange));
  if (stat === undefined) throw notFound();
  return stat.size;
}

async function sendRange(exchange: Exchange, reader: ObjectReader, range: ByteRange, size: number): Promise<void> {
  const length = range.last - range.first + 1;
  const begin = (): void => {
    const headers = headOf(exchange, reader.info, length);
    writeHead(exchange, 206, [...headers, 'Content-Range', contentRange(range, size)]);
  };
  const body = new ResponseBody(exchange.res, begin, length);
  const sink = length === size ? relaySink(exchange, reader.info, body) : body.sink;
  await reader.copyTo(sink, range, body.copyOptions);
  body.end();
}

async function sendMultipart(
  exchange: Exchange,
  reader: ObjectReader,
  ranges: readonly ByteRange[],
  size: number,
): Promise<void> {
  const { info } = reader;
  const frame = multipartRanges(ranges, size, info.contentType ?? DEFAULT_CONTENT_TYPE);
  const begin = (): void =>
    writeHead(exchange, 206, headOf(exchange, { ...info, contentType: frame.contentType }, frame.lengthBytes));
  const body = new ResponseBody(exchange.res, begin, frame.lengthBytes);
  for (const part of frame.parts) {
    await body.sink(part.head);
    await reader.copyTo(body.sink, part.range, body.copyOptions);
  }
  await body.sink(frame.tail);
  body.end();
}
