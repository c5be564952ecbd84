import { createHash } from 'node:crypto';
import { toObjectName, type ObjectName } from '#contracts';
import type {
  ByteRange,
  CreateOptions,
  ShardInfo,
  ShardReader,
  ShardStore,
  ShardWriter,
  Sink,
} from '../shard-store.js';

let keys = 0;

/** A name that no other case uses. */
export function freshKey(hint = 'key'): ObjectName {
  keys += 1;
  return toObjectName(`${hint}-${keys}`);
}

/** Bytes that look random, and are the same for the same seed. */
export function bytesOf(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let index = 0; index < length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state;
  }
  return bytes;
}

/** Several blocks and buffers, and no round number of either. */
export const BIG_BYTES = 3 * 1024 * 1024 + 17;

export async function readAll(reader: ShardReader, range?: ByteRange): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await reader.copyTo(collectInto(chunks), range);
  return Buffer.concat(chunks);
}

/** Copies as late as the contract of Sink allows; answers in both of its ways. */
export function collectInto(chunks: Buffer[]): Sink {
  const held: Buffer[] = [];
  let answers = 0;
  const copy = (): undefined => void chunks.push(...held.splice(0).map(chunk => Buffer.from(chunk)));
  return (chunk, more) => {
    held.push(chunk);
    if (more === true) return undefined;
    answers += 1;
    return answers % 2 === 0 ? copy() : Promise.resolve().then(copy);
  };
}

/** Undefined when the key is not there. */
export async function readObject(store: ShardStore, key: ObjectName): Promise<Buffer | undefined> {
  const reader = await store.open(key);
  if (reader === undefined) return undefined;
  try {
    return await readAll(reader);
  } finally {
    await reader.close();
  }
}

const PIECE_BYTES = 77_777;
const PIECES_TOGETHER = 3;

/** As the servers do it with the chunks of a body. Whoever looks at it later finds nothing, and the kernel other bytes. */
export function detach(chunk: Buffer): void {
  chunk.fill(0);
  structuredClone(chunk.buffer, { transfer: [chunk.buffer as ArrayBuffer] });
  if (chunk.length > 0) throw new Error('The chunk is still there.');
}

/** What a writer's caller may do with a chunk that was written. */
export function giveUp(chunk: Buffer, writer: ShardWriter): void {
  chunk.fill(0);
  if (writer.releasesChunks === true) detach(chunk);
}

/** Streams the bytes in odd pieces, some of them together; each is cleared or gone as soon as the contract allows. */
export async function writeObject(
  store: ShardStore,
  key: ObjectName,
  bytes: Buffer,
  options: CreateOptions = {},
): Promise<ShardInfo> {
  const writer = await store.create(key, options);
  const held: Buffer[] = [];
  try {
    for (let offset = 0; offset < bytes.length; offset += PIECE_BYTES) {
      const piece = Buffer.alloc(Math.min(PIECE_BYTES, bytes.length - offset));
      bytes.copy(piece, 0, offset);
      held.push(piece);
      const more = held.length < PIECES_TOGETHER && offset + PIECE_BYTES < bytes.length;
      await writer.write(piece, more);
      if (more) continue;
      for (const written of held.splice(0)) giveUp(written, writer);
    }
    return await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

export function digest(algorithm: 'sha256' | 'sha512' | 'md5', bytes: Buffer): Buffer {
  return createHash(algorithm).update(bytes).digest();
}
