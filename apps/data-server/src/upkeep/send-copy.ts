import { GranaryError, type Stamp } from '#contracts';
import { attributesOf, type PutOptions, type ShardInfo, type ShardReader, type ShardStore } from '#storage';
import type { ByteBudget } from './byte-budget.js';

/** Sent in one piece: a round trip less than a stream needs. */
const WHOLE_BYTES = 64 * 1024;

/** Stores the reader's object under the same name, stamp and date elsewhere. Resolves when it is durable there, verified. */
export async function sendCopy(
  reader: ShardReader,
  name: Parameters<ShardStore['put']>[0],
  to: ShardStore,
  budget: ByteBudget,
  signal: AbortSignal,
): Promise<void> {
  const { info } = reader;
  const size = info.size ?? Infinity;
  const stored =
    size <= WHOLE_BYTES
      ? await to.put(name, await collect(reader, size, budget, signal), moveOptions(info, signal))
      : await stream(reader, await to.create(name, { ...moveOptions(info, signal), length: size }), budget, signal);
  checkStored(name, stored, info.stamp, info.etag);
}

function moveOptions(info: ShardInfo, signal: AbortSignal): PutOptions {
  return { attributes: attributesOf(info), stamp: info.stamp, move: { modifiedMs: info.modifiedMs ?? 0 }, signal };
}

async function collect(reader: ShardReader, size: number, budget: ByteBudget, signal: AbortSignal): Promise<Buffer> {
  await budget.take(size, signal);
  const whole = Buffer.alloc(size);
  let filled = 0;
  await reader.copyTo(
    chunk => {
      filled += chunk.copy(whole, filled);
      return undefined;
    },
    undefined,
    { signal },
  );
  return whole;
}

async function stream(
  reader: ShardReader,
  writer: Awaited<ReturnType<ShardStore['create']>>,
  budget: ByteBudget,
  signal: AbortSignal,
): Promise<ShardInfo> {
  try {
    await reader.copyTo(
      async chunk => {
        await budget.take(chunk.length, signal);
        await writer.write(chunk);
      },
      undefined,
      { signal },
    );
    return await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

function checkStored(name: string, stored: ShardInfo, stamp: Stamp, etag: string | undefined): void {
  if (stored.etag === etag && stored.stamp === stamp) return;
  throw new GranaryError('digest-mismatch', `The copy of ${JSON.stringify(name)} arrived as another object.`);
}
