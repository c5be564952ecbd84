import cluster from 'node:cluster';
import { ConfigError } from '#config';
import { runProgram } from '#nest';
import { clusterMetrics, Metrics, type Logger } from '#telemetry';
import { startApiServer } from './api-server.module.js';
import type { ApiServerConfig } from './config.js';

/** Runs the API server in this process, alone or as one of several workers. */
export async function serve(config: ApiServerConfig, logger: Logger, stopDeadlineMs: number): Promise<void> {
  const metrics = new Metrics();
  metrics.collectProcessMetrics();
  await runProgram({
    logger,
    stopDeadlineMs,
    expectedErrors: [ConfigError],
    isInterruptedByPrimary: cluster.isWorker,
    start: () =>
      startApiServer(config, {
        logger,
        metrics,
        ...(cluster.isWorker && { metricsText: clusterMetrics(metrics) }),
      }),
  });
}
