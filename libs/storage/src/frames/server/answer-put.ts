import type { GranaryError } from '#contracts';
import { encodeInfo } from '../codec/answer-frames.js';
import { encodeOutcomes, type SentOutcome, type WholePut } from '../codec/batch-frames.js';
import { FRAMES, type Space } from '../codec/frame-types.js';
import type { ServedStore } from './endpoint-options.js';
import type { IncomingWhole } from './incoming-put.js';
import type { Outgoing } from './outgoing.js';

export interface PutAnswering {
  out: Outgoing;
  exchange: number;
  /** Throws for a space that is not kept. */
  storeOf: (space: Space) => ServedStore;
  /** The failure as it is told, and logged. */
  tell: (error: unknown) => GranaryError;
}

/** Stores what has come, whole. Resolves to the status, or to those of a batch. Throws DamagedTransfer. */
export async function answerPuts(answering: PutAnswering, body: IncomingWhole): Promise<number | readonly number[]> {
  const puts = body.takeAll();
  const [first] = puts;
  if (body.kind === 'putAll' || first === undefined) return answerAll(answering, puts);
  const { out, exchange, storeOf } = answering;
  out.send(encodeInfo(FRAMES.stored, await store(storeOf, first), exchange));
  return 200;
}

/** All at once, so that the store syncs them together; each is stored or refused by itself. */
async function answerAll(
  { out, exchange, storeOf, tell }: PutAnswering,
  puts: readonly WholePut[],
): Promise<readonly number[]> {
  const statuses = puts.map(() => 200);
  const outcomes = await Promise.all(
    puts.map(async (put, index): Promise<SentOutcome> => {
      try {
        return { info: await store(storeOf, put) };
      } catch (error) {
        const { code, status, message } = tell(error);
        statuses[index] = status;
        return { code, message };
      }
    }),
  );
  out.send(encodeOutcomes(outcomes, exchange));
  return statuses;
}

async function store(storeOf: PutAnswering['storeOf'], { request, body }: WholePut) {
  const { space, key, options } = request;
  return storeOf(space).put(key, body, options);
}
