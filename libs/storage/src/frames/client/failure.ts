import { GranaryError } from '#contracts';
import { DataServerUnavailable } from '../../data-server-unavailable.js';
import { PASSED_ON } from '../../remote/refusal.js';
import type { Failure } from '../codec/answer-frames.js';
import type { Answer } from './answer.js';

/** The error of an `error` frame. */
export function refusalOfFailure(address: string, { code, detail }: Failure): GranaryError {
  if (code !== undefined && PASSED_ON.has(code)) return new GranaryError(code, detail);
  return new DataServerUnavailable(address, 'answer', `answered with an unexpected error (${detail})`);
}

/** The error of an answer that is not the one that was asked for. */
export function refusalOfAnswer(address: string, answer: Answer): GranaryError {
  if (answer.kind === 'error') return refusalOfFailure(address, answer.failure);
  return new DataServerUnavailable(address, 'answer', `answered "${answer.kind}", which answers another question`);
}
