/**
 * Every refusal and failure that a client, a peer or an operator can see, in one table: the stable
 * `code` of a problem+json body (RFC 9457), its HTTP status, and what it means. `docs/errors.md` is
 * generated from this table.
 */
export const ERROR_CODES = {
  'name-invalid': {
    status: 400,
    title: 'The object name is not valid percent-encoded UTF-8, is empty, or contains NUL.',
  },
  'name-too-long': { status: 400, title: 'The object name is longer than 1024 bytes.' },
  'header-invalid': { status: 400, title: 'A request header is malformed.' },
  'request-malformed': { status: 400, title: 'The request is not well-formed HTTP.' },
  'query-invalid': {
    status: 400,
    title: 'A query parameter is unknown here, malformed, out of its range, or given twice.',
  },
  'user-metadata-too-large': { status: 400, title: 'The X-Meta-* headers have more than 2048 bytes together.' },
  'digest-malformed': {
    status: 400,
    title:
      'A declared digest (Content-Digest, Repr-Digest, Digest, X-Content-SHA256, Content-MD5) cannot be parsed, or two contradict each other.',
  },
  'digest-mismatch': { status: 400, title: 'The body does not have the digest that was declared. Nothing was stored.' },
  'body-incomplete': { status: 400, title: 'The body ended before its declared length. Nothing was stored.' },
  'bucket-name-invalid': {
    status: 400,
    title:
      'A bucket name has 3 to 63 lower-case letters, digits, hyphens and dots, and begins and ends with a letter or digit.',
  },
  'cursor-invalid': { status: 400, title: 'The cursor was not made by this listing.' },
  'part-invalid': {
    status: 400,
    title:
      'A part of the multipart upload is missing, has another entity tag, is out of order or has an impossible number.',
  },
  unauthorized: {
    status: 401,
    title: 'A data server of a cluster with a secret answers only servers that know the secret.',
  },
  'object-not-found': { status: 404, title: 'No object has this name.' },
  'bucket-not-found': { status: 404, title: 'No bucket has this name.' },
  'version-not-found': { status: 404, title: 'The object has no such version.' },
  'upload-not-found': {
    status: 404,
    title: 'There is no such multipart upload; it may have been completed or aborted.',
  },
  'route-not-found': { status: 404, title: 'There is no such resource.' },
  'method-not-allowed': {
    status: 405,
    title: 'The resource does not answer to this method; Allow lists those that it does.',
  },
  'version-is-delete-marker': {
    status: 405,
    title: 'The version is a delete marker: it has no content, and can only be deleted.',
  },
  'request-timeout': { status: 408, title: 'The request made no progress for too long.' },
  'length-required': { status: 411, title: 'A PUT needs Content-Length or a chunked body.' },
  'bucket-exists': { status: 409, title: 'A bucket of this name exists already.' },
  'bucket-not-empty': { status: 409, title: 'The bucket still holds versions or multipart uploads.' },
  'content-gone': {
    status: 409,
    title: 'The content that was to be referenced is not stored any more; it must be sent again.',
  },
  'precondition-failed': { status: 412, title: 'If-Match or If-None-Match does not hold for the current object.' },
  'object-too-large': { status: 413, title: 'The object is larger than this store accepts.' },
  'range-not-satisfiable': { status: 416, title: 'No requested range lies within the object.' },
  'expectation-failed': { status: 417, title: 'The only supported expectation is 100-continue.' },
  'upgrade-required': { status: 426, title: 'Another protocol is spoken here than was asked for; Upgrade names it.' },
  'headers-too-large': { status: 431, title: 'The request headers are too large.' },
  'internal-error': { status: 500, title: 'An unexpected failure. The log has its details under the request id.' },
  'object-damaged': {
    status: 500,
    title: 'The stored bytes no longer match their checksums, and there is no other copy.',
  },
  'storage-failed': { status: 500, title: 'The disk reported an error. Nothing was stored.' },
  'metadata-incompatible': {
    status: 500,
    title: 'The metadata database was written by a newer version of Granary, or cannot be used by it.',
  },
  'peer-cannot': {
    status: 501,
    title: 'The object is held by a server of another implementation that cannot do this.',
  },
  'versions-not-kept': {
    status: 501,
    title: 'This server keeps one state of each object, and no versions: it has no metadata database.',
  },
  'no-data-server': { status: 503, title: 'No data server that could take the object is known.' },
  'data-server-unavailable': {
    status: 503,
    title: 'A data server that may hold the object cannot be reached, so its existence cannot be told.',
  },
  'metadata-unavailable': {
    status: 503,
    title: 'The metadata database cannot be reached or is too slow, so nothing can be told about names.',
  },
  overloaded: { status: 503, title: 'The server is out of descriptors or at its limit of work in progress.' },
  'shutting-down': { status: 503, title: 'The server is shutting down.' },
  'storage-full': { status: 507, title: 'No space is left for the object. Nothing was stored.' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface GranaryErrorOptions {
  cause?: unknown;
  /** Response headers that belong to the refusal, e.g. `Allow`, `Retry-After`, `Content-Range`. */
  headers?: Record<string, string>;
}

/** The one error class of the project. The message names the thing and the number; it is shown to the client. */
export class GranaryError extends Error {
  override readonly name = 'GranaryError';
  readonly headers: Record<string, string>;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: GranaryErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}
