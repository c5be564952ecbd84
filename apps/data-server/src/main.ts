import 'reflect-metadata';
import { ConfigError, configOrExit } from '#config';
import { runProgram } from '#nest';
import { warnWithoutSecret } from '#secret';
import { DirectoryLocked, StorageDirectoryRefused } from '#storage/file';
import { createLogger, Metrics } from '#telemetry';
import { dataServerSchema } from './config.js';
import { startDataServer } from './data-server.module.js';

/** After the deadline for requests, what else there is to close gets this long. */
const CLOSE_MS = 4000;

const config = configOrExit('data-server', dataServerSchema);
const logger = createLogger({
  level: config.logLevel,
  format: config.logFormat,
  fields: { program: 'data-server', address: config.advertiseAddress },
});
warnWithoutSecret(config, logger);
const metrics = new Metrics();
metrics.collectProcessMetrics();

await runProgram({
  logger,
  expectedErrors: [ConfigError, StorageDirectoryRefused, DirectoryLocked],
  stopDeadlineMs: config.shutdownDeadlineMs + CLOSE_MS,
  start: () => startDataServer(config, { logger, metrics }),
});
