import type { Metrics } from '#telemetry';

export interface MembershipMetrics {
  heartbeats: { sent: { inc(): void }; failed: { inc(): void } };
  malformed: (exchange: string) => void;
  droppedBeats: (reason: string) => void;
}

export function membershipMetrics(metrics: Metrics): MembershipMetrics {
  const malformed = metrics.counter(
    'granary_messages_malformed_total',
    'Messages dropped because they cannot be read, by exchange.',
    ['exchange'],
  );
  const droppedBeats = metrics.counter(
    'granary_heartbeats_dropped_total',
    'Heartbeats that were not believed, by reason.',
    ['reason'],
  );
  return {
    heartbeats: {
      sent: metrics.counter('granary_heartbeats_sent_total', 'Heartbeats that the broker took.'),
      failed: metrics.counter('granary_heartbeats_failed_total', 'Heartbeats that could not be sent.'),
    },
    malformed: exchange => malformed.inc({ exchange }),
    droppedBeats: reason => droppedBeats.inc({ reason }),
  };
}
