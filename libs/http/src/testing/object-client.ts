import { request, type IncomingHttpHeaders } from 'node:http';
import { expect } from '@jest/globals';
import { ERROR_CODES, problemShape, type ErrorCode } from '#contracts';
import type { StartedServer } from './start-server.js';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** fetch normalises paths and adds headers; this sends what it is told. */
export function send(
  { port }: StartedServer,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string | Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request({ port, host: '127.0.0.1', method, path, headers, agent: false }, res => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) }));
    });
    req.on('error', reject);
    req.end(body);
  });
}

export const put = (server: StartedServer, name: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  send(server, 'PUT', `/objects/${name}`, { 'Content-Length': String(Buffer.byteLength(body)), ...headers }, body);
export const get = (server: StartedServer, name: string, headers: Record<string, string> = {}) =>
  send(server, 'GET', `/objects/${name}`, headers);

export function expectProblem(answer: Answer, code: ErrorCode): void {
  const { status } = ERROR_CODES[code];
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toBe('application/problem+json');
  const problem = problemShape.parse(JSON.parse(answer.body.toString()));
  expect(problem).toMatchObject({ code, status, requestId: answer.headers['x-request-id'] });
}
