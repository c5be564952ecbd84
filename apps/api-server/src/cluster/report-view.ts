import type { ClusterView, ViewEvent } from '#cluster';
import type { Logger, Metrics } from '#telemetry';

/** Tells the log and the metrics what happens in the view. */
export function viewReporter(logger: Logger, metrics: Metrics): (event: ViewEvent) => void {
  const dropped = metrics.counter('granary_heartbeats_dropped_total', 'Heartbeats not believed, by reason.', [
    'reason',
  ]);
  return event => {
    const { key: server, address } = event.member;
    if (event.kind === 'dropped') {
      dropped.inc({ reason: event.reason });
      logger.debug({ server, address, reason: event.reason }, 'a heartbeat was dropped');
    } else if (event.kind === 'duplicate-id') {
      logger.error(
        { server, address, other: event.other.address },
        'two data servers go by one id; the later is refused',
      );
    } else {
      logger[event.kind === 'suspected' ? 'warn' : 'info']({ server, address }, `data server ${event.kind}`);
    }
  };
}

export function gaugeView(view: ClusterView, metrics: Metrics): void {
  metrics.gauge('granary_data_servers_live', 'Data servers that beat and have proven themselves.', () => {
    return view.ours.length + view.peers.length;
  });
  metrics.gauge('granary_data_servers_suspect', 'Live data servers that do not answer.', () => {
    return [...view.ours, ...view.peers].filter(member => member.suspect).length;
  });
  metrics.gauge('granary_data_servers_missing', 'Data servers that belong to the cluster and are not heard.', () => {
    return view.missing.length;
  });
}

/** Counts messages that cannot be read, by exchange. */
export function malformedCounter(metrics: Metrics): (exchange: string) => void {
  const malformed = metrics.counter('granary_messages_malformed_total', 'Messages dropped unread.', ['exchange']);
  return exchange => malformed.inc({ exchange });
}
