import type { Exchange } from '#contracts';
import type { Logger, Metrics } from '#telemetry';

const LOG_INTERVAL_MS = 10_000;

/** Counts the messages that no server of this cluster signed, and says so at most every 10 s. */
export function refusedMessages(logger: Logger, metrics: Metrics): (exchange: Exchange) => void {
  const counter = metrics.counter(
    'granary_messages_refused_total',
    'Messages dropped because no server with the cluster secret sent them, or because they came twice, by exchange.',
    ['exchange'],
  );
  let nextLogMs = Number.NEGATIVE_INFINITY;
  let refused = 0;
  return exchange => {
    counter.inc({ exchange });
    refused += 1;
    if (performance.now() < nextLogMs) return;
    nextLogMs = performance.now() + LOG_INTERVAL_MS;
    logger.warn(
      { audit: true, exchange, refused },
      'messages are not believed: their senders have another CLUSTER_SECRET, or none',
    );
    refused = 0;
  };
}
