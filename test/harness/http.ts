import { request as httpRequest, type Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { callAfter, stopwatch } from './stopwatch.js';

export interface RequestOptions {
  method?: string;
  headers?: OutgoingHttpHeaders;
  /** A stream goes out chunked unless the headers say a length. */
  body?: Buffer | string | Readable;
  /** By a stopwatch. */
  timeoutMs?: number;
  /** Without one each request has a connection of its own. */
  agent?: Agent | undefined;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** By a stopwatch. */
  ms: number;
}

/** For https URLs: who is trusted, and what is shown. */
let certificates: { ca: string; cert?: string; key?: string } | undefined;

export function useCertificates(pems: typeof certificates): void {
  certificates = pems;
}

/** Sends the path exactly as written. Rejects when the connection breaks, also in the middle of the answer, or on timeout. */
export function request(url: string, options: RequestOptions = {}): Promise<Answer> {
  const elapsedMs = stopwatch();
  const { host, port, path, isTls } = split(url);
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers, body, timeoutMs = 30_000 } = options;
    const target = { host, port, path, method, headers, agent: options.agent ?? false };
    const outgoing = isTls ? httpsRequest({ ...target, ...certificates }) : httpRequest(target);
    const cancel = callAfter(timeoutMs, () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms: ${url}`)));
    outgoing.once('close', cancel);
    outgoing.on('error', reject);
    outgoing.once('response', incoming => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.once('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(chunks),
          ms: elapsedMs(),
        }),
      );
    });
    if (body instanceof Readable) pipeline(body, outgoing).catch(reject);
    else outgoing.end(body);
  });
}

export function put(url: string, body: Buffer | string | Readable, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  const length = body instanceof Readable ? {} : { 'Content-Length': Buffer.byteLength(body) };
  return request(url, { method: 'PUT', body, headers: { ...length, ...headers } });
}

export function get(url: string, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  return request(url, { headers });
}

export function del(url: string, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  return request(url, { method: 'DELETE', headers });
}

/** The `code` of a problem+json answer; undefined when it is none. */
export function problemCode(answer: Answer): string | undefined {
  if (answer.headers['content-type']?.startsWith('application/problem+json') !== true) return undefined;
  const problem: unknown = JSON.parse(answer.body.toString('utf8'));
  return typeof problem === 'object' && problem !== null && 'code' in problem ? String(problem.code) : undefined;
}

export interface RawAnswer {
  text: string;
  /** Whether the server closed the connection (rather than the wait ending first). */
  closed: boolean;
  /** By a stopwatch. */
  ms: number;
}

export interface RawOptions {
  /** By a stopwatch. Default: 10 s. */
  waitMs?: number;
  /** What ends the wait early. */
  until?: RegExp;
  /** Close our direction after the bytes, as a client does that has no more to say. */
  end?: boolean;
}

/** Writes bytes that no client library would, and collects what comes back until the server closes or the wait ends. */
export function rawRequest(address: string, bytes: string | Buffer, options: RawOptions = {}): Promise<RawAnswer> {
  const { waitMs = 10_000, until, end = false } = options;
  const { host, port } = split(`http://${address}/`);
  const elapsedMs = stopwatch();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host, port, allowHalfOpen: true }, () => (end ? socket.end(bytes) : socket.write(bytes)));
    const text = () => Buffer.concat(chunks).toString('latin1');
    const finish = (closed: boolean) => {
      cancel();
      socket.destroy();
      resolve({ text: text(), closed, ms: elapsedMs() });
    };
    const cancel = callAfter(waitMs, () => finish(false));
    socket.on('data', chunk => {
      chunks.push(chunk);
      if (until?.test(text()) === true) finish(false);
    });
    socket.once('end', () => finish(true));
    socket.on('error', error => {
      if (!socket.connecting && chunks.length > 0) return finish(true);
      if ('code' in error && error.code === 'ECONNRESET') return finish(true);
      cancel();
      reject(error);
    });
  });
}

function split(url: string): { host: string; port: number; path: string; isTls: boolean } {
  const match = /^https?:\/\/([^/:]+):(\d+)(\/.*)$/s.exec(url);
  if (match === null) throw new Error(`not an http URL with a port: ${url}`);
  return { host: match[1] ?? '', port: Number(match[2]), path: match[3] ?? '/', isTls: url.startsWith('https:') };
}
