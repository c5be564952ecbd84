export { clusterMetrics, serveClusterMetrics } from './cluster-metrics.js';
export { createLogger, silentLogger, type LogFunction, type Logger, type LoggerOptions } from './logger.js';
export { METRICS_CONTENT_TYPE, Metrics } from './metrics.js';
