import type { Metrics } from '#telemetry';

export interface UpkeepMetrics {
  moved: { inc(count?: number): void };
  dropped: { inc(count?: number): void };
  damaged: { inc(count?: number): void };
  scans: { inc(count?: number): void };
}

export function upkeepMetrics(metrics: Metrics): UpkeepMetrics {
  return {
    moved: metrics.counter('granary_reconcile_moved_total', 'Copies moved to the server where they belong.'),
    dropped: metrics.counter(
      'granary_reconcile_dropped_total',
      'Copies and tombstones dropped because another server has them, or newer ones.',
    ),
    damaged: metrics.counter(
      'granary_reconcile_damaged_total',
      'Copies that could not be moved because they are damaged.',
    ),
    scans: metrics.counter(
      'granary_reconcile_scans_total',
      'Times that the whole catalog was compared with the homes.',
    ),
  };
}
