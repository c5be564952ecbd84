import { GranaryError, PROBLEM_CONTENT_TYPE, isErrorCode, type ErrorCode } from '#contracts';
import { DataServerUnavailable } from '../data-server-unavailable.js';
import type { Response } from './http-connection.js';

/** What a data server may say of a request of ours; it means here what it means there. */
export const PASSED_ON: ReadonlySet<ErrorCode> = new Set([
  'precondition-failed',
  'digest-mismatch',
  'body-incomplete',
  'object-too-large',
  'object-damaged',
  'storage-failed',
  'storage-full',
  'overloaded',
  'shutting-down',
]);

const MAX_PROBLEM_BYTES = 64 * 1024;
const PROBLEM_DEADLINE_MS = 2000;

/** Makes the error of an answer that is no success; reads its body. */
export async function refusalOf(address: string, response: Response): Promise<GranaryError> {
  const { code, detail } = await readProblem(response);
  if (code !== undefined && PASSED_ON.has(code)) return new GranaryError(code, detail);
  return unexpectedAnswer(address, response, detail);
}

export function unexpectedAnswer(address: string, response: Response, detail = ''): DataServerUnavailable {
  return new DataServerUnavailable(
    address,
    'answer',
    `answered with an unexpected status ${response.status}${detail === '' ? '' : ` (${detail})`}`,
  );
}

/** Whether the answer is a data server's word that it has no such object, rather than any 404. Reads the body. */
export async function saysNotFound(response: Response): Promise<boolean> {
  return response.status === 404 && (await readProblem(response)).code === 'object-not-found';
}

export function isProblem(response: Response): boolean {
  return response.header('content-type')?.startsWith(PROBLEM_CONTENT_TYPE) ?? false;
}

async function readProblem(response: Response): Promise<{ code?: ErrorCode; detail: string }> {
  if (!isProblem(response)) {
    response.discard();
    return { detail: '' };
  }
  try {
    const problem: unknown = JSON.parse((await readText(response)).toString());
    if (typeof problem !== 'object' || problem === null) return { detail: '' };
    const detail = 'detail' in problem && typeof problem.detail === 'string' ? problem.detail : '';
    return 'code' in problem && isErrorCode(problem.code) ? { code: problem.code, detail } : { detail };
  } catch {
    return { detail: '' };
  }
}

async function readText(response: Response): Promise<Buffer> {
  if (response.bytes !== undefined) return response.bytes;
  const chunks: Buffer[] = [];
  let length = 0;
  await response.copyTo(chunk => {
    length += chunk.length;
    if (length > MAX_PROBLEM_BYTES) throw new Error('The problem description is too long.');
    chunks.push(Buffer.from(chunk));
    return undefined;
  }, AbortSignal.timeout(PROBLEM_DEADLINE_MS));
  return Buffer.concat(chunks);
}
