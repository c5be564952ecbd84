import {
  listedObjectShape,
  listedPrefixShape,
  listedVersionShape,
  objectPageShape,
  ROUTES,
  statsShape,
  versionPageShape,
} from '#contracts';
import type { z } from 'zod';
import type { DocumentedRoute } from './documented-route.js';
import type { Parameter, Response } from './openapi-types.js';
import { json, problems, requestIdHeader } from './responses.js';
import { schemaOf } from './schemas.js';

const createdAt = '2026-11-21T12:00:00.000Z';
const etag = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262';
const objectExample = { name: 'photos/harbour.jpg', version: '0000000000a', size: 146515, etag, createdAt };
const versionExample = { ...objectExample, current: true, deleteMarker: false };
const sumsExample = {
  objects: 2,
  versions: 3,
  deleteMarkers: 0,
  logicalBytes: 300,
  blobs: 2,
  blobBytes: 200,
  storedBytes: 300,
  unreferencedBytes: 0,
  deduplicationSavedBytes: 100,
  redundancyCostBytes: 100,
};

const filters: Parameter[] = [
  query('prefix', 'Only names that begin with this.', 'photos/'),
  query(
    'delimiter',
    'Names that share what is between the prefix and the next delimiter are listed once, as that.',
    '/',
  ),
  query('after', 'Only names greater than this, by their UTF-8 bytes.'),
];
const paging: Parameter[] = [
  query('cursor', 'Of the page before.'),
  {
    ...query('limit', 'Entries of a page, 1 to 1000; as lines, of the whole answer, and without it all.'),
    schema: { type: 'integer', minimum: 1 },
  },
];

export const versionRoutes: readonly DocumentedRoute[] = [
  {
    on: ['api-server'],
    path: ROUTES.listing,
    method: 'get',
    operation: {
      operationId: 'listObjects',
      tags: ['versions'],
      summary: 'Current objects, in the order of their names',
      description: 'With `Accept: application/x-ndjson` a line for each, from there on to the end.',
      parameters: [...filters, ...paging],
      responses: {
        200: listing(objectPageShape, { objects: [objectExample], prefixes: ['photos/2026/'] }, listedObjectShape),
        ...problems('query-invalid', 'cursor-invalid', 'metadata-unavailable', 'shutting-down'),
      },
    },
  },
  {
    on: ['api-server'],
    path: ROUTES.allVersions,
    method: 'get',
    operation: {
      operationId: 'listAllVersions',
      tags: ['versions'],
      summary: 'All versions of all objects; of one name the newest first',
      description: 'With `Accept: application/x-ndjson` a line for each, from there on to the end.',
      parameters: [...filters, ...paging],
      responses: {
        200: listing(versionPageShape, { versions: [versionExample], prefixes: [] }, listedVersionShape),
        ...problems('query-invalid', 'cursor-invalid', 'metadata-unavailable', 'shutting-down'),
      },
    },
  },
  {
    on: ['api-server'],
    path: `${ROUTES.versions}{name}`,
    method: 'get',
    operation: {
      operationId: 'listVersions',
      tags: ['versions'],
      summary: 'All versions of one object, the newest first',
      parameters: [
        {
          name: 'name',
          in: 'path',
          required: true,
          description: 'As in /objects/{name}.',
          schema: { type: 'string' },
          example: 'photos/harbour.jpg',
        },
        ...paging,
      ],
      responses: {
        200: listing(versionPageShape, { versions: [versionExample], prefixes: [] }, listedVersionShape),
        ...problems(
          'name-invalid',
          'name-too-long',
          'query-invalid',
          'cursor-invalid',
          'object-not-found',
          'metadata-unavailable',
          'shutting-down',
        ),
      },
    },
  },
  {
    on: ['api-server'],
    path: ROUTES.stats,
    method: 'get',
    operation: {
      operationId: 'getStats',
      tags: ['versions'],
      summary: 'What is stored, what de-duplication saves and redundancy costs',
      responses: {
        200: json('Of each bucket, and of the cluster.', statsShape, {
          buckets: [{ bucket: 'objects', ...sumsExample }],
          total: sumsExample,
          queuedRepairs: 0,
        }),
        ...problems('metadata-unavailable', 'shutting-down'),
      },
    },
  },
];

function query(name: string, description: string, example?: string): Parameter {
  return {
    name,
    in: 'query',
    description,
    schema: { type: 'string' },
    ...(example === undefined ? {} : { example }),
  };
}

function listing(page: z.ZodType, example: unknown, line: z.ZodType): Response {
  return {
    description: 'A page; or, when asked for, every entry as a line.',
    headers: requestIdHeader,
    content: {
      'application/json': { schema: schemaOf(page), example },
      'application/x-ndjson': { schema: { oneOf: [schemaOf(line), schemaOf(listedPrefixShape)] } },
    },
  };
}
