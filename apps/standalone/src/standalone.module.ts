import { MemoryHub, MemoryMessageBus } from '#mq/memory';
import { Shutdown, type RunningProgram } from '#nest';
import { ClusterSecret } from '#secret';
import { Metrics, type Logger } from '#telemetry';
import { startApiServer } from '../../api-server/src/api-server.module.js';
import { startDataServer, type DataServer } from '../../data-server/src/data-server.module.js';
import { dataServerConfigs, type StandaloneConfig } from './config.js';

export interface Surroundings {
  logger: Logger;
  dataServerLogger: Logger;
  metrics: Metrics;
}

export interface Standalone extends RunningProgram {
  dataServers: readonly { address: string; storageRoot: string }[];
}

/**
 * Starts a whole cluster in this process: data servers, an API server that uses their stores without a
 * hop over HTTP, and between them a bus that needs no broker. Over HTTP the data servers answer only each other. Ends them in the reverse order. A start
 * that fails leaves nothing open.
 */
export async function startStandalone(config: StandaloneConfig, surroundings: Surroundings): Promise<Standalone> {
  const { logger, dataServerLogger, metrics } = surroundings;
  const shutdown = new Shutdown(logger);
  try {
    const hub = new MemoryHub();
    const clusterSecret = ClusterSecret.random();
    const dataServers: DataServer[] = [];
    for (const dataServerConfig of dataServerConfigs(config, clusterSecret)) {
      const server = await startDataServer(dataServerConfig, {
        logger: dataServerLogger.child({ store: dataServerConfig.storageRoot }),
        // Each has a registry of its own, which its own /metrics shows.
        metrics: new Metrics(),
        bus: new MemoryMessageBus(hub),
      });
      shutdown.add(`data server ${dataServerConfig.storageRoot}`, () => server.stop());
      dataServers.push(server);
    }

    const { metadataUrl, ...settings } = config;
    const full = metadataUrl === 'none' ? {} : { metadataUrl };
    const apiServer = await startApiServer(
      { ...settings, ...full, clusterSecret },
      {
        logger,
        metrics,
        bus: new MemoryMessageBus(hub),
        localStores: new Map(dataServers.map(({ identity, stores }) => [identity.serverId, stores])),
      },
    );
    shutdown.add('API server', () => apiServer.stop());

    return {
      address: apiServer.address,
      dataServers: dataServers.map(({ address }, index) => ({
        address,
        storageRoot: config.storageRoot[index] ?? '',
      })),
      stop: () => shutdown.run(),
    };
  } catch (error) {
    await shutdown.run();
    throw error;
  }
}
