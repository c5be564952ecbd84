import 'reflect-metadata';
import cluster from 'node:cluster';
import { configOrExit } from '#config';
import { warnWithoutSecret } from '#secret';
import { createLogger, serveClusterMetrics } from '#telemetry';
import { apiServerSchema } from './config.js';
import { runWorkers } from './workers.js';

/** After the deadline for requests, what else there is to close gets this long. */
const CLOSE_MS = 4000;

const config = configOrExit('api-server', apiServerSchema);
const stopDeadlineMs = config.shutdownDeadlineMs + CLOSE_MS;
const logger = createLogger({
  level: config.logLevel,
  format: config.logFormat,
  fields: { program: 'api-server', ...(cluster.worker !== undefined && { worker: cluster.worker.id }) },
});

if (cluster.isPrimary) warnWithoutSecret(config, logger);

if (cluster.isPrimary && config.workers > 1) {
  serveClusterMetrics();
  await runWorkers({ count: config.workers, logger, stopDeadlineMs });
} else {
  // The primary needs none of what a worker loads.
  const { serve } = await import('./serve.js');
  await serve(config, logger, stopDeadlineMs);
}
