import { FRAMES_VERSION } from './messages.js';

/** Paths of the public API, alike on API servers and data servers unless said otherwise. */
export const ROUTES = {
  objects: '/objects/',
  locate: '/locate/',
  /** With a metadata database only. The one without a name covers all objects. */
  listing: '/objects',
  versions: '/versions/',
  allVersions: '/versions',
  stats: '/stats',
  healthLive: '/health/live',
  healthReady: '/health/ready',
  /** API servers only. */
  cluster: '/cluster',
  metrics: '/metrics',
  docs: '/docs',
  errors: '/docs/errors',
  /** Data servers only: who answers here. API servers ask it of a newcomer before they trust its heartbeat. */
  identity: '/identity',
  /** Data servers only, spoken between data servers (docs/protocol/reconcile.md). */
  reconcile: '/internal/reconcile',
  /** Data servers only: where a connection becomes one of the frame protocol (docs/protocol/frames.md). */
  frames: '/frames',
} as const;

/** Header names of ours, in lower case as node:http presents them. Clients' values of these never pass an API server. */
export const GRANARY_HEADERS = {
  /** Request: the stamp that a copy shall carry (raised when it is not newer than what it replaces). Response: the stamp that it carries. */
  stamp: 'granary-stamp',
  /** Request: on a PUT, "store this only if it is newer than what you have" (a copy moving between servers); its value is the copy's Last-Modified in ms. */
  move: 'granary-move',
  /** Request: on a DELETE, remember the deletion even if the object is not here. */
  remember: 'granary-remember',
  /** Response: the version that was put, read or removed; of a DELETE without `?version`, the delete marker that was made. */
  version: 'granary-version',
  /** Response: `true` where Granary-Version is a delete marker. */
  deleteMarker: 'granary-delete-marker',
  /** Response: CRC-32C of the whole object, 8 hex digits. */
  checksum: 'granary-crc32c',
  /** Response: Last-Modified in ms, which the standard header has in seconds. */
  modifiedMs: 'granary-modified-ms',
} as const;

export const REQUEST_ID_HEADER = 'X-Request-Id';
export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** The protocol that a connection is upgraded to, as it stands in `Upgrade`. */
export const FRAMES_UPGRADE = `granary-frames/${FRAMES_VERSION}`;
