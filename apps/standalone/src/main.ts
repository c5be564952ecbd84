import 'reflect-metadata';
import { ConfigError, configOrExit } from '#config';
import { runProgram } from '#nest';
import { createLogger, Metrics } from '#telemetry';
import { standaloneSchema } from './config.js';
import { startStandalone, type Standalone } from './standalone.module.js';

/** After the deadline for requests, what else there is to close gets this long. */
const CLOSE_MS = 4000;

const config = configOrExit('standalone', standaloneSchema);
const logging = { format: config.logFormat, fields: { program: 'standalone' } };
const logger = createLogger({ ...logging, level: config.logLevel });
// That six data servers of one process have found each other is no news.
const dataServerLogger = createLogger({ ...logging, level: config.logLevel === 'info' ? 'warn' : config.logLevel });
const metrics = new Metrics();
metrics.collectProcessMetrics();

await runProgram({
  logger,
  expectedErrors: [ConfigError],
  stopDeadlineMs: config.shutdownDeadlineMs + CLOSE_MS,
  start: async () => {
    const standalone = await startStandalone(config, { logger, dataServerLogger, metrics });
    process.stdout.write(welcome(standalone));
    return standalone;
  },
});

function welcome({ address, dataServers }: Standalone): string {
  const stores = dataServers.map(server => `  data server  http://${server.address}  ${server.storageRoot}`).join('\n');
  return `
Granary is running. Ctrl-C stops it; the objects stay.

  API server   http://${address}  (documentation: http://${address}/docs)
${stores}
  (The data servers answer only servers of this process: ask the API server.)

Try:
  curl http://${address}/objects/hello -T README.md
  curl http://${address}/objects/hello
  curl http://${address}/locate/hello
  curl http://${address}/cluster

`;
}
