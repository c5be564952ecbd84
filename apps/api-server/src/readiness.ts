import type { Readiness } from '#contracts';
import type { ClusterView } from '#cluster';
import type { MessageBus } from '#mq';
import { readinessOf, type Dependency } from '#nest';

export interface ReadinessSources {
  view: Pick<ClusterView, 'ours' | 'peers'>;
  bus: Pick<MessageBus, 'status' | 'reason'>;
  isStopping: () => boolean;
  others: readonly Dependency[];
}

/** Without the broker, the servers last known still serve; without any server, nothing does. */
export function apiServerReadiness({ view, bus, isStopping, others }: ReadinessSources): Readiness {
  const answers = [...view.ours, ...view.peers].some(member => !member.suspect);
  return readinessOf([
    { name: 'server', missing: isStopping() ? 'shutting down' : undefined, isVital: true },
    { name: 'broker', missing: bus.status === 'down' ? (bus.reason ?? 'not connected') : undefined, isVital: false },
    { name: 'data-servers', missing: answers ? undefined : 'none is known that answers', isVital: true },
    ...others,
  ]);
}
