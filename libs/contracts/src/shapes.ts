import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from './errors.js';
import { SERVER_STATES } from './messages.js';

/** The JSON shapes of the HTTP API. Types are inferred from them, and OpenAPI is generated from them. */

const errorCodes = Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]];

export const problemShape = z
  .object({
    type: z.string().describe('A URI reference for the kind of problem: a row of the page at /docs/errors.'),
    title: z.string(),
    status: z.int(),
    code: z.enum(errorCodes).describe('Stable; see docs/errors.md.'),
    detail: z.string(),
    requestId: z.string().describe('Also in X-Request-Id and in every log line.'),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof problemShape>;

export const addressShape = z.string().describe('host:port of a data server').meta({ id: 'ServerAddress' });

export const liveShape = z.object({ status: z.literal('ok') }).meta({ id: 'Live' });

export const readinessShape = z
  .object({
    status: z
      .enum(['ok', 'degraded', 'unavailable'])
      .describe('`degraded` still serves (200); `unavailable` is a 503.'),
    missing: z.array(z.string()).describe('What is missing, e.g. `broker`, `data-servers`, `storage`.'),
    detail: z.array(z.string()),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.infer<typeof readinessShape>;

export const identityShape = z
  .object({ serverId: z.string(), bootId: z.string(), version: z.string() })
  .meta({ id: 'Identity' });
export type Identity = z.infer<typeof identityShape>;

/** The identity that a server tells in an answer's body; undefined if that is none. */
export function parseIdentity(body: string): Identity | undefined {
  try {
    return identityShape.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}

export const clusterServerShape = z
  .object({
    id: z.string().optional().describe('Absent for a server of another implementation.'),
    address: z.string().optional().describe('Absent for a missing server that others know, but this one never heard.'),
    kind: z.enum(['granary', 'peer']),
    state: z.enum([...SERVER_STATES, 'unproven', 'suspect', 'missing']),
    reason: z.string().optional(),
    zone: z.string().optional().describe('Servers of one zone may fail together.'),
    lastBeatAt: z.iso.datetime().optional(),
    lastBeatAgeMs: z.int().optional(),
    capacityBytes: z.int().optional(),
    usedBytes: z.int().optional(),
  })
  .meta({ id: 'ClusterServer' });
export type ClusterServer = z.infer<typeof clusterServerShape>;

export const clusterShape = z
  .object({ broker: z.enum(['up', 'down']), servers: z.array(clusterServerShape) })
  .meta({ id: 'Cluster' });
export type Cluster = z.infer<typeof clusterShape>;
