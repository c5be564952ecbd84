import { startDeadline } from '#time';
import type { BufferPool } from '../buffer-pool.js';
import type { RequestSigner } from '../request-signer.js';
import type { ServerAnswer, ServerCall } from '../server-call.js';
import { DataServerUnavailable } from '../data-server-unavailable.js';
import type { ClientTls } from './connect-socket.js';
import { HttpConnection, type Response } from './http-connection.js';

export interface CallOptions {
  buffers: BufferPool;
  /** In a cluster with a secret. */
  signer?: RequestSigner;
  /** In a cluster that speaks TLS. */
  tls?: ClientTls;
}

/** At the first contact a request only asks to be challenged, and a server may have started again since the last. */
const MAX_SENDINGS = 3;

/** See CallServer. Each sending has a connection of its own: these calls are rare. */
export async function callServer(call: ServerCall, options: CallOptions): Promise<ServerAnswer> {
  const late = new AbortController();
  const { signal } = late;
  const cancelDeadline = startDeadline(call.deadlineMs, () => late.abort());
  try {
    for (let sendings = 1; ; sendings += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { answer, isChallenged } = await send(call, options, signal);
      if (!isChallenged || sendings === MAX_SENDINGS) return answer;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new DataServerUnavailable(call.address, 'timeout', `did not answer within ${call.deadlineMs} ms`);
  } finally {
    cancelDeadline();
  }
}

async function send(call: ServerCall, { buffers, signer, tls }: CallOptions, signal: AbortSignal) {
  const { address, method, path, deadlineMs, maxAnswerBytes } = call;
  // What says nothing before it is challenged need not send its body either.
  const body = signer?.knows(address) === false ? undefined : call.body;
  const fields =
    body === undefined ? [] : ([...JSON_FIELDS, ['Content-Length', `${Buffer.byteLength(body)}`]] as const);
  const signature = signer?.sign({ address, method, target: path, fields });
  let isChallenged = false;
  const connection = await HttpConnection.open(address, {
    connectMs: deadlineMs,
    stallMs: deadlineMs,
    buffers,
    tls,
    onIdle: idle => idle.close(),
    onClosed: () => {},
    onAnswer: () => {},
    onFailure: () => {},
  });
  try {
    connection.start({
      method,
      head: headOf(call, [...fields, ...(signature === undefined ? [] : [['Authorization', signature.authorization]])]),
      body: body === undefined ? undefined : Buffer.from(body),
      signal,
      isBelieved: head => {
        const verdict = signature?.judge(head.status, name => head.fields.get(name));
        isChallenged = verdict === 'challenged';
        return verdict !== 'unproven';
      },
    });
    const response = await connection.receive(deadlineMs);
    return { answer: { status: response.status, body: await readAll(response, maxAnswerBytes, signal) }, isChallenged };
  } finally {
    connection.close();
  }
}

const JSON_FIELDS = [['Content-Type', 'application/json']] as const;

function headOf({ method, path, address }: ServerCall, fields: readonly (readonly string[])[]): string {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${path} HTTP/1.1\r\nHost: ${address}\r\nConnection: close\r\n${lines}\r\n`;
}

async function readAll(response: Response, maxBytes: number, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  if ((response.bodyLength ?? 0) > maxBytes) return '';
  await response.copyTo(chunk => {
    length += chunk.length;
    if (length <= maxBytes) chunks.push(Buffer.from(chunk));
    return undefined;
  }, signal);
  return length > maxBytes ? '' : Buffer.concat(chunks).toString();
}
