import type { Method, Operation } from './openapi-types.js';

export type Program = 'api-server' | 'data-server';

export interface DocumentedRoute {
  on: readonly Program[];
  path: string;
  method: Method;
  operation: Operation;
}

export const BOTH: readonly Program[] = ['api-server', 'data-server'];
