import { setImmediate as nextTurn } from 'node:timers/promises';
import { EntryBatch, encodeEmpty } from '../codec/answer-frames.js';
import { FRAMES } from '../codec/frame-types.js';
import type { ListRequest } from '../codec/request-frames.js';
import type { ServedStore } from './endpoint-options.js';
import type { Outgoing } from './outgoing.js';

/** Everything in the store's catalog, a frame at a time; other requests have their turn between the frames. */
export async function answerList(
  out: Outgoing,
  exchange: number,
  store: ServedStore,
  { names }: ListRequest,
): Promise<number> {
  const batch = new EntryBatch();
  for (const entry of store.entries()) {
    const name = names && !entry.removed ? await store.nameOf(entry.hash) : undefined;
    batch.add(name === undefined ? entry : { ...entry, name });
    if (batch.isFull) await send(out, batch.encode(exchange));
  }
  if (!batch.isEmpty) await send(out, batch.encode(exchange));
  out.send(encodeEmpty(FRAMES.end, exchange));
  return 200;
}

async function send(out: Outgoing, frame: Buffer): Promise<void> {
  await out.write([frame]);
  await nextTurn();
}
