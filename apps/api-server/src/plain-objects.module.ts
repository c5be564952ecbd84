import type { ClusterView, LogicalClock, Member } from '#cluster';
import type { MessageBus } from '#mq';
import { LocateController, OBJECT_LOCATOR } from '#nest';
import type { ShardStore } from '#storage';
import { createLocateObject } from './cluster/locate-object.js';
import { objectLocator } from './cluster/object-locator.js';
import { ClusterStore } from './objects/cluster-store.js';
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
  const locate = createLocateObject(bus, view, clock, locateTimeoutMs);
  return {
    store: new ClusterStore({ view, storeOf, locate, clock }),
    isRelayed: true,
    controllers: [LocateController],
    providers: [{ provide: OBJECT_LOCATOR, useFactory: () => objectLocator(locate) }],
    dependencies: async () => [],
  };
}
