import {
  addressShape,
  clusterShape,
  identityShape,
  liveShape,
  readinessShape,
  ROUTES,
  shardPlaceShape,
} from '#contracts';
import { BOTH, type DocumentedRoute } from './documented-route.js';
import { empty, json, problems, requestIdHeader } from './responses.js';
import { schemaOf } from './schemas.js';

const address = '127.0.1.4:12345';
const serverExample = {
  id: 'ds-7f3a',
  address,
  kind: 'granary',
  state: 'ready',
  lastBeatAt: '2026-11-21T12:00:00.000Z',
  lastBeatAgeMs: 1200,
  capacityBytes: 1_000_000_000_000,
  usedBytes: 250_000_000_000,
};

export const serviceRoutes: readonly DocumentedRoute[] = [
  {
    on: BOTH,
    path: '/locate/{name}',
    method: 'get',
    operation: {
      operationId: 'locateObject',
      tags: ['cluster'],
      summary: 'Which data server holds an object',
      description:
        'Where versions are kept, an empty object lies nowhere: 404, and with `?all` no shards. 500 when every shard is lost.',
      parameters: [
        {
          name: 'name',
          in: 'path',
          required: true,
          description: 'As in /objects/{name}.',
          schema: { type: 'string' },
          example: 'photos/2026/harbour.jpg',
        },
        {
          name: 'all',
          in: 'query',
          description:
            'Present, with or without a value: the answer lists every server that has the object or, where versions ' +
            'are kept, every shard and its server.',
          allowEmptyValue: true,
          schema: { type: 'string' },
        },
      ],
      responses: {
        200: {
          description: 'The address of a server that has it; with `?all`, a list of all of them.',
          headers: requestIdHeader,
          content: {
            'application/json': {
              schema: {
                oneOf: [
                  schemaOf(addressShape),
                  { type: 'array', items: schemaOf(addressShape) },
                  { type: 'array', items: schemaOf(shardPlaceShape) },
                ],
              },
              examples: { one: { value: address }, all: { value: [address] } },
            },
          },
        },
        ...problems(
          'name-invalid',
          'name-too-long',
          'object-not-found',
          'object-damaged',
          'data-server-unavailable',
          'shutting-down',
        ),
      },
    },
  },
  {
    on: ['api-server'],
    path: ROUTES.cluster,
    method: 'get',
    operation: {
      operationId: 'getCluster',
      tags: ['cluster'],
      summary: 'The data servers as this API server sees them',
      responses: { 200: json('The view.', clusterShape, { broker: 'up', servers: [serverExample] }) },
    },
  },
  {
    on: ['api-server'],
    path: `${ROUTES.cluster}/servers/{id}`,
    method: 'delete',
    operation: {
      operationId: 'forgetServer',
      tags: ['cluster'],
      summary: 'Forget a data server that will not come back',
      description: 'Until then, what it alone may have held is answered with 503 instead of 404.',
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' }, example: 'ds-7f3a' }],
      responses: {
        204: empty('Forgotten.'),
        ...problems('route-not-found', 'precondition-failed', 'data-server-unavailable'),
      },
    },
  },
  {
    on: ['data-server'],
    path: ROUTES.identity,
    method: 'get',
    operation: {
      operationId: 'getIdentity',
      tags: ['cluster'],
      summary: 'Which data server answers here',
      responses: {
        200: json('Its ids.', identityShape, { serverId: 'ds-7f3a', bootId: 'b-19c2', version: '0.1.0' }),
      },
    },
  },
  {
    on: BOTH,
    path: ROUTES.healthLive,
    method: 'get',
    operation: {
      operationId: 'isLive',
      tags: ['operations'],
      summary: 'Whether the process answers',
      responses: { 200: json('It does.', liveShape, { status: 'ok' }) },
    },
  },
  {
    on: BOTH,
    path: ROUTES.healthReady,
    method: 'get',
    operation: {
      operationId: 'isReady',
      tags: ['operations'],
      summary: 'Whether it can serve, and what is missing',
      responses: {
        200: json('It serves; `degraded` if something is missing.', readinessShape, {
          status: 'degraded',
          missing: ['broker'],
          detail: ['broker: connect ECONNREFUSED'],
        }),
        503: json('It cannot serve.', readinessShape, {
          status: 'unavailable',
          missing: ['data-servers'],
          detail: ['no data server is known'],
        }),
      },
    },
  },
  {
    on: BOTH,
    path: ROUTES.metrics,
    method: 'get',
    operation: {
      operationId: 'getMetrics',
      tags: ['operations'],
      summary: 'Metrics for Prometheus',
      responses: {
        200: {
          description: 'In the Prometheus text format.',
          headers: requestIdHeader,
          content: { 'text/plain': { schema: { type: 'string' } } },
        },
      },
    },
  },
  {
    on: BOTH,
    path: `${ROUTES.docs}/openapi.json`,
    method: 'get',
    operation: {
      operationId: 'getOpenApi',
      tags: ['operations'],
      summary: 'This document',
      responses: {
        200: { description: 'OpenAPI 3.1.', headers: requestIdHeader, content: { 'application/json': {} } },
      },
    },
  },
];
