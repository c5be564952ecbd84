import { createHash } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * Granary's data path with nothing of Granary in it: HTTP in, a length-prefixed frame to one of several processes
 * that keep objects in memory, one exchange at a time on each pooled connection. What is left out: durability,
 * checksums, conditions, ranges, deadlines, errors. Objects are read and written whole, so it is no floor for large ones.
 *
 * A request is `u32` length of what follows, `u8` what to do, `u16` length of the name, the name, the body; an
 * answer `u32` length of the body, the body. What is not there is empty.
 */
const ACTIONS = { GET: 0, PUT: 1, DELETE: 2 } as const;
const LENGTH_BYTES = 4;
const HEAD_BYTES = LENGTH_BYTES + 3;
const READ_BUFFER_BYTES = 256 * 1024;

/** The process behind. */
export function frameStore(): Server {
  const objects = new Map<string, Buffer>();
  return createServer({ noDelay: true }, socket => {
    const gathered = new Gathered();
    socket.on('data', (chunk: Buffer) => {
      for (const frame of gathered.take(chunk)) socket.write(answerTo(frame, objects));
    });
    socket.on('error', () => socket.destroy());
  });
}

/** The process in front of them. */
export function frameFront(upstreams: readonly string[]): RequestListener {
  const pools = upstreams.map(upstream => new FramePool(upstream));
  return (request, response) => {
    const { method, url = '' } = request;
    const pool = pools[createHash('md5').update(url).digest().readUInt32BE() % pools.length];
    if (pool === undefined) throw new Error('there is no upstream');
    if (method === 'GET') pool.ask(frameOf('GET', url), body => answer(response, body.length > 0 ? 200 : 404, body));
    else void forward(pool, request, response);
  };
}

async function forward(pool: FramePool, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '' } = request;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const frame = frameOf(method === 'PUT' ? 'PUT' : 'DELETE', url, Buffer.concat(chunks));
  pool.ask(frame, body => answer(response, 200, body));
}

function answer(response: ServerResponse, status: number, body: Buffer): void {
  response.writeHead(status, { 'Content-Length': body.length, 'Content-Type': 'application/octet-stream' }).end(body);
}

function answerTo(frame: Buffer, objects: Map<string, Buffer>): Buffer {
  const [action, nameBytes] = [frame.readUInt8(0), frame.readUInt16BE(1)];
  const name = frame.toString('latin1', 3, 3 + nameBytes);
  if (action === ACTIONS.PUT) objects.set(name, Buffer.from(frame.subarray(3 + nameBytes)));
  else if (action === ACTIONS.DELETE) objects.delete(name);
  const body = action === ACTIONS.GET ? objects.get(name) : undefined;
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + (body?.length ?? 0));
  bytes.writeUInt32BE(body?.length ?? 0);
  body?.copy(bytes, LENGTH_BYTES);
  return bytes;
}

function frameOf(action: keyof typeof ACTIONS, name: string, body?: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + name.length + (body?.length ?? 0));
  bytes.writeUInt32BE(bytes.length - LENGTH_BYTES);
  bytes.writeUInt8(ACTIONS[action], LENGTH_BYTES);
  bytes.writeUInt16BE(name.length, LENGTH_BYTES + 1);
  bytes.write(name, HEAD_BYTES, 'latin1');
  body?.copy(bytes, HEAD_BYTES + name.length);
  return bytes;
}

/** Cuts what comes into frames, without their lengths. */
class Gathered {
  private chunks: Buffer[] = [];
  private bytes = 0;
  /** Of the first frame, as far as that is known. */
  private wanted = LENGTH_BYTES;

  /** The frames that are whole by now. They may share memory with the chunk, of which nothing is kept. */
  take(chunk: Buffer): Buffer[] {
    this.bytes += chunk.length;
    if (this.bytes < this.wanted) {
      this.chunks.push(Buffer.from(chunk));
      return [];
    }
    const all = this.chunks.length === 0 ? chunk : Buffer.concat([...this.chunks, chunk]);
    const frames: Buffer[] = [];
    let at = 0;
    for (;;) {
      const left = all.length - at;
      this.wanted = left < LENGTH_BYTES ? LENGTH_BYTES : LENGTH_BYTES + all.readUInt32BE(at);
      if (left < this.wanted) break;
      frames.push(all.subarray(at + LENGTH_BYTES, at + this.wanted));
      at += this.wanted;
    }
    const rest = all.subarray(at);
    this.chunks = rest.length === 0 ? [] : [Buffer.from(rest)];
    this.bytes = rest.length;
    return frames;
  }
}

/** Connections to one process behind, as many as there were exchanges at a time. */
class FramePool {
  private readonly idle: FrameConnection[] = [];

  constructor(private readonly upstream: string) {}

  ask(frame: Buffer, take: (body: Buffer) => void): void {
    const connection = this.idle.pop() ?? new FrameConnection(this.upstream);
    connection.ask(frame, body => {
      this.idle.push(connection);
      take(body);
    });
  }
}

class FrameConnection {
  private readonly socket: Socket;
  private readonly gathered = new Gathered();
  private take: (body: Buffer) => void = () => {};

  constructor(upstream: string) {
    const [host, port] = upstream.split(':');
    const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
    const callback = (count: number): boolean => {
      for (const frame of this.gathered.take(buffer.subarray(0, count))) this.take(Buffer.from(frame));
      return true;
    };
    this.socket = connect({ host, port: Number(port), noDelay: true, onread: { buffer, callback } });
  }

  ask(frame: Buffer, take: (body: Buffer) => void): void {
    this.take = take;
    this.socket.write(frame);
  }
}
