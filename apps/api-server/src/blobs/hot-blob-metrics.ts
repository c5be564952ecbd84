import type { Metrics } from '#telemetry';
import type { HotBlobs } from './read/hot-blobs.js';

export function showHotBlobs(metrics: Metrics, hot: HotBlobs): void {
  metrics.readCounter(
    'granary_hot_blob_hits_total',
    'Reads of small contents that were answered from memory.',
    () => hot.stats.hits,
  );
  metrics.readCounter(
    'granary_hot_blob_misses_total',
    'Reads of small contents that had to ask the data servers.',
    () => hot.stats.misses,
  );
  metrics.gauge(
    'granary_hot_blob_bytes',
    'Memory that small contents are kept in, overhead included.',
    () => hot.stats.heldBytes,
  );
}
