import type { BusMetrics } from '#mq';
import type { Metrics } from '#telemetry';

/** The counters of a message bus, in the registry of its server. */
export function busMetrics(metrics: Metrics): BusMetrics {
  const published = metrics.counter('granary_bus_published_total', 'Messages and questions handed to the broker.');
  const dropped = metrics.counter('granary_bus_dropped_total', 'Messages dropped unread, by cause.', ['cause']);
  const failed = metrics.counter('granary_bus_handler_failures_total', 'Messages whose handler failed.');
  const reconnected = metrics.counter('granary_bus_reconnections_total', 'Times the bus came back.');
  return {
    published: () => published.inc(),
    dropped: cause => dropped.inc({ cause }),
    handlerFailed: () => failed.inc(),
    reconnected: () => reconnected.inc(),
  };
}
