import type { ListedEntry, RemoveResult } from '../../shard-store.js';
import {
  decodeEntries,
  decodeFailure,
  decodeFound,
  decodeInfo,
  decodeRemoved,
  type Failure,
  type Found,
  type SentInfo,
} from '../codec/answer-frames.js';
import { decodeOutcomes, type Outcome } from '../codec/batch-frames.js';
import { FRAMES, MalformedFrame, type FrameType } from '../codec/frame-types.js';

/** What a data server answers. Only `proceed`, `entries` and a `found` with bytes leave the exchange open. */
export type Answer =
  | { kind: 'found'; found: Found; bytes: Buffer | undefined }
  | { kind: 'described' | 'stored'; info: SentInfo }
  | { kind: 'removed'; result: RemoveResult }
  | { kind: 'entries'; entries: ListedEntry[] }
  | { kind: 'outcomes'; outcomes: Outcome[] }
  | { kind: 'error'; failure: Failure }
  | { kind: 'notFound' | 'proceed' | 'end' | 'pong' };

const NO_BYTES = Buffer.alloc(0);

/** Throws MalformedFrame. The bytes of what is found are not here yet, unless there are none. */
export function decodeAnswer(type: FrameType, payload: Buffer): Answer {
  switch (type) {
    case FRAMES.found: {
      const found = decodeFound(payload);
      return { kind: 'found', found, bytes: found.length === 0 ? NO_BYTES : undefined };
    }
    case FRAMES.described:
      return { kind: 'described', info: decodeInfo(payload) };
    case FRAMES.stored:
      return { kind: 'stored', info: decodeInfo(payload) };
    case FRAMES.removed:
      return { kind: 'removed', result: decodeRemoved(payload) };
    case FRAMES.entries:
      return { kind: 'entries', entries: decodeEntries(payload) };
    case FRAMES.outcomes:
      return { kind: 'outcomes', outcomes: decodeOutcomes(payload) };
    case FRAMES.error:
      return { kind: 'error', failure: decodeFailure(payload) };
    case FRAMES.notFound:
      return { kind: 'notFound' };
    case FRAMES.proceed:
      return { kind: 'proceed' };
    case FRAMES.end:
      return { kind: 'end' };
    case FRAMES.pong:
      return { kind: 'pong' };
    default:
      throw new MalformedFrame(`a frame of type ${type} is no answer`);
  }
}
