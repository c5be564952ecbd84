export { drainServer, type DrainOptions, type DrainResult } from './drain.js';
export type { ObjectEndpointOptions } from './exchange.js';
export { countChunk, freeChunk, settleHeap } from './garbage.js';
export type { HttpGate } from './gate.js';
export type {
  CreateObjectOptions,
  ObjectAttributes,
  ObjectInfo,
  ObjectReader,
  ObjectStore,
  ObjectWriter,
  OpenObjectOptions,
  PutObjectOptions,
  RemovedObject,
  RemoveObjectOptions,
  StatObjectOptions,
} from './object-store.js';
export { createObjectEndpoint, type HttpHandler } from './object-endpoint.js';
export { endWithProblem, sendProblem, toGranaryError } from './problem.js';
export { queryOf } from './query.js';
export { objectNameOf } from './raw-name.js';
export { checkRequest } from './request-checks.js';
export { newRequestId, requestIdOf } from './request-id.js';
export { HTTP_SERVER_OPTIONS, hardenServer, type HardenOptions } from './server-hygiene.js';
export { serveUpgrades, type UpgradeEndpoint, type UpgradeOptions } from './serve-upgrades.js';
