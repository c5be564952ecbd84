import type { Server } from 'node:http';
import { FRAMES_UPGRADE, GranaryError, ROUTES } from '#contracts';
import { countChunk, freeChunk, serveUpgrades } from '#http';
import { FrameEndpoint, type Operation } from '#storage/frames';
import type { Logger, Metrics } from '#telemetry';
import type { DataServerConfig } from './config.js';
import type { Stores } from './stores.module.js';

export interface FrameParts {
  config: Pick<DataServerConfig, 'stallTimeoutMs'>;
  stores: Stores;
  /** Whether objects may be served at present. */
  mayServe: () => boolean;
  /** 32 bytes that the servers of the cluster share, if they have a secret. */
  authKey: Buffer | undefined;
  logger: Logger;
  metrics: Metrics;
}

/** Serves the stores over frames (docs/protocol/frames.md) to API servers that ask the HTTP server for it. */
export function serveFrames(server: Server, { config, stores, mayServe, authKey, logger, metrics }: FrameParts): void {
  const endpoint = new FrameEndpoint({
    spaces: { objects: stores.objects, shards: stores.shards },
    serverId: stores.serverId,
    authKey,
    stallTimeoutMs: config.stallTimeoutMs,
    refusal: () => (mayServe() ? undefined : starting()),
    onRefused: (reason, remoteAddress) =>
      logger.warn({ audit: true, reason, remoteAddress }, 'a connection was refused'),
    onFailure: (operation, error) => logFailure(logger, operation, error),
    observe: (operation, status, seconds) => metrics.observeRequest(ROUTES.frames, operation, status, seconds),
    chunks: { count: countChunk, free: freeChunk },
  });
  serveUpgrades(server, { path: ROUTES.frames, protocol: FRAMES_UPGRADE }, endpoint);
}

/** For requests until the others know who answers here now. */
export function starting(): GranaryError {
  return new GranaryError('data-server-unavailable', 'This data server is starting.', {
    headers: { 'Retry-After': '1' },
  });
}

/** As over HTTP: our bugs with their stack, the world's failures in a line, refusals only for those who look. */
function logFailure(logger: Logger, operation: Operation, error: GranaryError): void {
  const fields = { code: error.code, operation };
  const reason = error.cause instanceof Error ? error.cause.message : undefined;
  if (error.code === 'internal-error') logger.error({ ...fields, err: error.cause }, error.message);
  else if (error.status >= 500) logger.warn({ ...fields, reason }, error.message);
  else logger.debug({ ...fields, reason }, error.message);
}
