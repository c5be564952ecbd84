import type { Readiness } from '#contracts';
import type { MessageBus } from '#mq';
import { readinessOf } from '#nest';
import type { StoreUsage } from '#storage';
import type { OwnServer } from './announce/own-server.js';

export interface ReadinessSources {
  usage: () => Promise<StoreUsage>;
  /** Undefined in a single node. */
  bus: Pick<MessageBus, 'status' | 'reason'> | undefined;
  own: Pick<OwnServer, 'state' | 'reason'> | undefined;
  /** Whether objects may be served at present. */
  mayServe: () => boolean;
  isStopping: () => boolean;
}

/** A full disk or an absent broker is no reason to send no requests: what is stored here can be read. */
export async function dataServerReadiness(sources: ReadinessSources): Promise<Readiness> {
  const { usage, bus, own, mayServe, isStopping } = sources;
  const { readOnlyReason } = await usage();
  return readinessOf([
    { name: 'server', missing: isStopping() ? 'shutting down' : mayServe() ? undefined : 'starting', isVital: true },
    { name: 'storage', missing: readOnlyReason, isVital: false },
    { name: 'cluster', missing: own?.state === 'joining' ? own.reason : undefined, isVital: false },
    { name: 'broker', missing: bus?.status === 'down' ? (bus.reason ?? 'not connected') : undefined, isVital: false },
  ]);
}
