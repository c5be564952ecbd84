import type { ClusterView, LogicalClock, Member } from '#cluster';
import type { MessageBus } from '#mq';
import { LocateController, OBJECT_LOCATOR } from '#nest';
import type { ShardStore } from '#storage';
import { createLocateObject } from './cluster/locate-object.js';
import { ClusterStore } from './objects/cluster-store.js';
import { objectLocator } from './objects/object-locator.js';
import type { ServedObjects } from './served-objects.module.js';

export interface PlainObjectsParts {
  bus: MessageBus;
  view: ClusterView;
  clock: LogicalClock;
  storeOf: (member: Member) => ShardStore;
  locateTimeoutMs: number;
}

/** The objects of a plain cluster: the name is the key on a data server, and there is one copy. */
export function servePlainObjects({ bus, view, clock, storeOf, locateTimeoutMs }: PlainObjectsParts): ServedObjects {
  const cluster = { view, storeOf, locate: createLocateObject(bus, view, clock, locateTimeoutMs), clock };
  return {
    store: new ClusterStore(cluster),
    isRelayed: true,
    controllers: [LocateController],
    providers: [{ provide: OBJECT_LOCATOR, useFactory: () => objectLocator(cluster) }],
    dependencies: async () => [],
  };
}
