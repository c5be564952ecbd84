import type { Metrics } from '#telemetry';

export interface SweepMetrics {
  blobs: { inc(count?: number): void };
  bytes: { inc(count?: number): void };
}

export function sweepMetrics(metrics: Metrics): SweepMetrics {
  return {
    blobs: metrics.counter(
      'granary_blobs_freed_total',
      'Blobs that nothing referred to, removed from the data servers.',
    ),
    bytes: metrics.counter('granary_blobs_freed_bytes_total', 'Bytes of their shards, on all disks together.'),
  };
}
