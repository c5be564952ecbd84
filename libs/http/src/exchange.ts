import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ObjectName } from '#contracts';
import type { Logger } from '#telemetry';
import type { ObjectStore } from './object-store.js';

export interface ObjectEndpointOptions {
  maxObjectSizeBytes: number;
  /** Bodies up to this size are collected and stored with one call. Default: 64 KiB. */
  maxCollectedBytes?: number;
  /** A data server's: obeys the Granary-* request headers of contracts/http.ts, and tells stamps and checksums. */
  trustGranaryHeaders?: boolean;
  /** An API server's: lets the last bytes of an object go only when all of it has the checksum its data server told. */
  verifyRelayed?: boolean;
  logger: Logger;
  /** Called once per request, when its answer is made. */
  observe?: (method: string, status: number, seconds: number) => void;
}

/** One request for one object, and everything needed to answer it. */
export interface Exchange {
  readonly store: ObjectStore;
  readonly options: ObjectEndpointOptions;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly requestId: string;
  readonly name: ObjectName;
  /** That the request asks for with `?version=`; only of a store that keeps versions. */
  readonly version: string | undefined;
}
