import type { ErrorCode } from '#contracts';
import type { ShardInfo } from '../../shard-store.js';
import { readFailure, readInfo, writeInfo, type Failure, type SentInfo } from './answer-frames.js';
import { BATCH_LIMITS, FRAMES, MalformedFrame } from './frame-types.js';
import { frameWriter } from './frame-writer.js';
import { PayloadReader } from './payload-reader.js';
import { readPut, writePut, type PutRequest } from './request-frames.js';

/** Small puts in one exchange, and what became of each (docs/protocol/frames.md). */
export interface WholePut {
  request: PutRequest;
  body: Buffer;
}

export type SentOutcome = { info: ShardInfo } | { code: ErrorCode; message: string };
export type Outcome = { kind: 'stored'; info: SentInfo } | { kind: 'error'; failure: Failure };

const OUTCOMES = { error: 0, stored: 1 } as const;
/** As many as there can be fit into one frame. */
const MAX_DETAIL_LENGTH = 128;

/** Within BATCH_LIMITS; with the bodies behind it, one behind the other. */
export function encodePutAll(puts: readonly WholePut[], exchange: number): Buffer {
  const frame = frameWriter.begin(FRAMES.putAll, exchange).u16(puts.length);
  for (const { request } of puts) writePut(frame, request);
  return frame.endWith(Buffer.concat(puts.map(({ body }) => body)));
}

export function decodePutAll(payload: Buffer): PutRequest[] {
  const reader = new PayloadReader(payload);
  const count = reader.u16();
  if (count > BATCH_LIMITS.puts) throw new MalformedFrame(`a batch has ${count} puts`);
  const requests = Array.from({ length: count }, () => readPut(reader));
  reader.end();
  return requests;
}

/** In the order of the puts. */
export function encodeOutcomes(outcomes: readonly SentOutcome[], exchange: number): Buffer {
  const frame = frameWriter.begin(FRAMES.outcomes, exchange).u16(outcomes.length);
  for (const outcome of outcomes) {
    if ('info' in outcome) writeInfo(frame.u8(OUTCOMES.stored), outcome.info);
    else frame.u8(OUTCOMES.error).text(outcome.code).text(outcome.message.slice(0, MAX_DETAIL_LENGTH));
  }
  return frame.end();
}

export function decodeOutcomes(payload: Buffer): Outcome[] {
  const reader = new PayloadReader(payload);
  const outcomes = Array.from({ length: reader.u16() }, () => readOutcome(reader));
  reader.end();
  return outcomes;
}

function readOutcome(reader: PayloadReader): Outcome {
  switch (reader.u8()) {
    case OUTCOMES.stored:
      return { kind: 'stored', info: readInfo(reader) };
    case OUTCOMES.error:
      return { kind: 'error', failure: readFailure(reader) };
    default:
      throw new MalformedFrame('an outcome is neither stored nor an error');
  }
}
