import type { z } from 'zod';
import {
  ERROR_CODES,
  PROBLEM_CONTENT_TYPE,
  problemShape,
  REQUEST_ID_HEADER,
  ROUTES,
  type ErrorCode,
  type Problem,
} from '#contracts';
import type { Header, Response, Responses } from './openapi-types.js';
import { schemaOf } from './schemas.js';

export function textHeader(description: string, example?: string): Header {
  return { description, schema: { type: 'string' }, ...(example === undefined ? {} : { example }) };
}

export const requestIdHeader: Record<string, Header> = {
  [REQUEST_ID_HEADER]: textHeader('The id of this request in the log; the client’s own if it sent a harmless one.'),
};

export function empty(description: string, headers: Record<string, Header> = {}): Response {
  return { description, headers: { ...headers, ...requestIdHeader } };
}

export function json(description: string, shape: z.ZodType, example: unknown): Response {
  return {
    description,
    headers: requestIdHeader,
    content: { 'application/json': { schema: schemaOf(shape), example } },
  };
}

/** The refusals with these codes, one response per status. */
export function problems(...codes: readonly ErrorCode[]): Responses {
  const responses: Responses = {};
  for (const code of codes) {
    const { status } = ERROR_CODES[code];
    responses[status] ??= problemResponse(codes.filter(other => ERROR_CODES[other].status === status));
  }
  return responses;
}

function problemResponse(codes: readonly ErrorCode[]): Response {
  return {
    description: codes.map(code => `\`${code}\`: ${ERROR_CODES[code].title}`).join('\n\n'),
    headers: requestIdHeader,
    content: {
      [PROBLEM_CONTENT_TYPE]: {
        schema: schemaOf(problemShape),
        examples: Object.fromEntries(codes.map(code => [code, { value: exampleOf(code) }])),
      },
    },
  };
}

function exampleOf(code: ErrorCode): Problem {
  const { status, title } = ERROR_CODES[code];
  return { type: `${ROUTES.errors}#${code}`, title, status, code, detail: title, requestId: '5f1c2a9be3d0-7k' };
}
