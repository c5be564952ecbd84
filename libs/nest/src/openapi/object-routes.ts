import { BOTH, type DocumentedRoute } from './documented-route.js';
import type { Parameter, Responses } from './openapi-types.js';
import { empty, problems, requestIdHeader, textHeader } from './responses.js';

const nameParameter: Parameter = {
  name: 'name',
  in: 'path',
  required: true,
  description:
    'The object’s name: 1 to 1024 bytes of UTF-8, percent-encoded, decoded exactly once. Slashes are part of the ' +
    'name and may be sent as they are or as %2F; nothing is normalised.',
  schema: { type: 'string' },
  example: 'photos/2026/harbour.jpg',
};

const versionParameter: Parameter = {
  name: 'version',
  in: 'query',
  description: 'One version instead of the current object. 501 where no versions are kept.',
  schema: { type: 'string' },
};

const binary = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };

const validatorHeaders = {
  ETag: textHeader('A strong validator: the BLAKE3 digest of the bytes.', '"af1349b9f5f9…"'),
  'Last-Modified': textHeader('When these bytes were stored.', 'Sat, 21 Nov 2026 12:00:00 GMT'),
  'Granary-Version': textHeader('The id of this version, where versions are kept.', '0000000000a'),
};

const contentHeaders = {
  ...validatorHeaders,
  'Content-Length': { description: 'Bytes that follow.', schema: { type: 'integer' } },
  'Accept-Ranges': textHeader('Always `bytes`.', 'bytes'),
  'Cache-Control': textHeader('As it was stored.'),
  'Content-Encoding': textHeader('As it was stored; the bytes are never decoded here.'),
  'Content-Language': textHeader('As it was stored.'),
  Expires: textHeader('As it was stored.'),
  'X-Meta-*': textHeader('As they were stored.'),
  'Repr-Digest': textHeader(
    'RFC 9530, of the whole object: the SHA-256 and SHA-512 that were declared with it, or the SHA-256 that the content was stored with.',
  ),
  'X-Content-Type-Options': textHeader('Always `nosniff`.', 'nosniff'),
  'Content-Security-Policy': textHeader('Keeps a browser from running what is stored.'),
  'Content-Disposition': textHeader(
    'As it was stored; always `attachment` for types that a browser would run, e.g. HTML and SVG.',
  ),
};

const readConditions: Parameter[] = [
  requestHeader('If-None-Match', 'Entity tags; 304 if the object has one of them.'),
  requestHeader('If-Modified-Since', 'A date; 304 if the object has not changed since.'),
  requestHeader('If-Match', 'Entity tags; 412 unless the object has one of them.'),
  requestHeader('If-Unmodified-Since', 'A date; 412 if the object changed since.'),
];

const writeConditions: Parameter[] = [
  requestHeader('If-None-Match', '`*`: only if there is no object of this name; else 412.', '*'),
  requestHeader('If-Match', 'Entity tags, or `*` for any: only if the object has one of them; else 412.'),
];

const readProblems = problems(
  'name-invalid',
  'name-too-long',
  'header-invalid',
  'query-invalid',
  'object-not-found',
  'version-not-found',
  'version-is-delete-marker',
  'precondition-failed',
  'internal-error',
  'object-damaged',
  'peer-cannot',
  'versions-not-kept',
  'data-server-unavailable',
  'metadata-unavailable',
  'overloaded',
  'shutting-down',
);

export const objectRoutes: readonly DocumentedRoute[] = [
  {
    on: BOTH,
    path: '/objects/{name}',
    method: 'put',
    operation: {
      operationId: 'putObject',
      tags: ['objects'],
      summary: 'Store an object',
      description:
        'Replaces what has the name, atomically. When 200 is answered the bytes are on disk; until then nothing is ' +
        'visible. With `Expect: 100-continue` every check that needs no body comes before the 100.',
      parameters: [
        nameParameter,
        requestHeader('Content-Type', 'Kept with the object.', 'image/jpeg'),
        requestHeader('Cache-Control', 'Kept with the object.'),
        requestHeader('Content-Encoding', 'Kept with the object; the bytes are stored as they come.', 'gzip'),
        requestHeader('Content-Disposition', 'Kept where versions are.'),
        requestHeader('Content-Language', 'Kept where versions are.'),
        requestHeader('Expires', 'Kept where versions are.'),
        requestHeader('X-Meta-*', 'Whatever the client wants to keep, where versions are kept; 2048 bytes together.'),
        requestHeader('Content-Digest', 'RFC 9530, sha-256 or sha-512: verified before anything is stored.'),
        requestHeader('Digest', 'RFC 3230, sha-256, sha-512 or md5: likewise.'),
        requestHeader('X-Content-SHA256', 'In hex: likewise.'),
        requestHeader('Content-MD5', 'RFC 1864: verified before anything is stored.'),
        ...writeConditions,
      ],
      requestBody: {
        description: 'The bytes, with a Content-Length or chunked; none is an object of zero bytes.',
        required: true,
        content: binary,
      },
      responses: {
        200: empty('Stored.', { ETag: validatorHeaders.ETag, 'Granary-Version': validatorHeaders['Granary-Version'] }),
        ...problems(
          'name-invalid',
          'name-too-long',
          'header-invalid',
          'query-invalid',
          'user-metadata-too-large',
          'digest-malformed',
          'digest-mismatch',
          'body-incomplete',
          'request-timeout',
          'length-required',
          'precondition-failed',
          'object-too-large',
          'expectation-failed',
          'internal-error',
          'storage-failed',
          'peer-cannot',
          'no-data-server',
          'data-server-unavailable',
          'metadata-unavailable',
          'overloaded',
          'shutting-down',
          'storage-full',
        ),
      },
    },
  },
  {
    on: BOTH,
    path: '/objects/{name}',
    method: 'get',
    operation: {
      operationId: 'getObject',
      tags: ['objects'],
      summary: 'Fetch an object',
      description: 'Every byte was verified against its checksum. A response that breaks off is never whole.',
      parameters: [
        nameParameter,
        versionParameter,
        requestHeader('Range', 'One or several byte ranges.', 'bytes=0-1023'),
        requestHeader('If-Range', 'An entity tag or a date: the range only if the object is still that one.'),
        ...readConditions,
      ],
      responses: {
        200: { description: 'The object.', headers: { ...contentHeaders, ...requestIdHeader }, content: binary },
        206: {
          description: 'One range, or several as `multipart/byteranges`.',
          headers: {
            ...contentHeaders,
            'Content-Range': textHeader('Which range this is.', 'bytes 0-1023/146515'),
            ...requestIdHeader,
          },
          content: { ...binary, 'multipart/byteranges': {} },
        },
        304: empty('Not modified.', validatorHeaders),
        ...problems('range-not-satisfiable'),
        ...readProblems,
      },
    },
  },
  {
    on: BOTH,
    path: '/objects/{name}',
    method: 'head',
    operation: {
      operationId: 'headObject',
      tags: ['objects'],
      summary: 'What a GET would say, without the bytes',
      parameters: [nameParameter, versionParameter, ...readConditions],
      responses: {
        200: empty('The object exists.', contentHeaders),
        304: empty('Not modified.', validatorHeaders),
        ...withoutBody(readProblems),
      },
    },
  },
  {
    on: BOTH,
    path: '/objects/{name}',
    method: 'delete',
    operation: {
      operationId: 'deleteObject',
      tags: ['objects'],
      summary: 'Delete an object',
      description:
        'Where versions are kept it leaves a delete marker, and the versions stay; with `?version` that version, or ' +
        'that marker, is gone for good.',
      parameters: [nameParameter, versionParameter, ...writeConditions.slice(1)],
      responses: {
        204: empty('Deleted.', {
          'Granary-Version': textHeader('The delete marker that was made, or the version that was removed.'),
          'Granary-Delete-Marker': textHeader('`true` when that is a delete marker.'),
        }),
        ...readProblems,
        ...problems('storage-failed', 'internal-error'),
      },
    },
  },
];

function requestHeader(name: string, description: string, example?: string): Parameter {
  return {
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
    ...(example === undefined ? {} : { example }),
  };
}

function withoutBody(responses: Responses): Responses {
  return Object.fromEntries(Object.entries(responses).map(([status, { description }]) => [status, empty(description)]));
}
