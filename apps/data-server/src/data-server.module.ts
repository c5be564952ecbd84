import { randomUUID } from 'node:crypto';
import { Module, type DynamicModule } from '@nestjs/common';
import { programVersion } from '#config';
import { LogicalClock } from '#cluster';
import { ROUTES, type Identity } from '#contracts';
import { createObjectEndpoint, sendProblem, type HttpGate, type HttpHandler } from '#http';
import type { BusMetrics, MessageBus } from '#mq';
import { RabbitMessageBus } from '#mq/rabbitmq';
import { SignedMessageBus } from '#mq/signed';
import {
  busMetrics,
  createApplication,
  drainApplication,
  HealthController,
  listen,
  LocateController,
  MessageBusTransport,
  METRICS_TEXT,
  MetricsController,
  OBJECT_ENDPOINT,
  OBJECT_LOCATOR,
  READINESS_PROBE,
  refusedMessages,
  Shutdown,
  type RunningProgram,
} from '#nest';
import { ClusterTls, RequestVerifier, secretOf } from '#secret';
import type { Logger, Metrics } from '#telemetry';
import { ClusterModule, openMembership } from './cluster/cluster.module.js';
import type { Membership } from './cluster/membership.js';
import { resolveAdvertiseAddress, type DataServerConfig } from './config.js';
import { serveFrames, starting } from './frames.module.js';
import { dataServerReadiness } from './readiness.js';
import { IDENTITY, IdentityController } from './rest/identity.controller.js';
import { locateHere } from './rest/locate-here.js';
import { requireSignature } from './rest/require-signature.js';
import { openStores, type Stores } from './stores.module.js';

export interface Surroundings {
  logger: Logger;
  metrics: Metrics;
  /** Instead of the one that the configuration names. The data server closes it. */
  bus?: MessageBus;
}

export interface DataServer extends RunningProgram {
  identity: Identity;
  /** Where the other servers reach it. */
  advertiseAddress: string;
  stores: Stores;
}

/**
 * Starts a data server: its store, its bus if there is one, its HTTP server, and last what tells the
 * cluster of it. Ends them in the reverse order. A start that fails leaves nothing open.
 */
export async function startDataServer(config: DataServerConfig, surroundings: Surroundings): Promise<DataServer> {
  const { logger, metrics } = surroundings;
  const shutdown = new Shutdown(logger);
  try {
    const tls = ClusterTls.of(config);
    if (tls !== undefined) shutdown.add('certificates', tls.watch(logger));

    const clock = new LogicalClock();
    const keepsShards = surroundings.bus !== undefined || config.rabbitmqServer !== undefined;
    const stores = await openStores({ config, clock, keepsShards, logger, metrics });
    shutdown.add('stores', () => stores.close());
    clock.observe(stores.objects.latestStamp());

    const counters = busMetrics(metrics);
    const bus = surroundings.bus ?? connectBus(config, surroundings, counters);
    if (bus !== undefined) shutdown.add('bus', () => bus.close());

    const identity = { serverId: stores.serverId, bootId: randomUUID(), version: programVersion() };
    const advertiseAddress = await resolveAdvertiseAddress(config);
    const parts = { config, logger, metrics, stores, clock, identity, advertiseAddress };
    const membership = bus && (await openMembership({ ...parts, bus, tls }));
    const mayServe = () => membership?.mayServe ?? true;
    if (membership !== undefined) shutdown.add('membership', () => membership.stop());

    const app = await createApplication(DataServerModule.of({ ...parts, bus, membership, mayServe, shutdown }), {
      program: 'data-server',
      ...config,
      logger,
      metrics,
      tls,
      gate: gateOf(config, advertiseAddress, surroundings),
    });
    shutdown.add('application', () => app.close());
    const authKey = secretOf(config)?.key('frames');
    serveFrames(app.getHttpServer(), { ...parts, authKey, mayServe });
    if (bus !== undefined) app.connectMicroservice({ strategy: new MessageBusTransport(bus, counters) });

    const address = await listen(app, config.listenAddress);
    shutdown.add('http', () => drainApplication(app, config.shutdownDeadlineMs, logger));

    await app.startAllMicroservices();
    await membership?.start();
    if (membership !== undefined) shutdown.add('announcement', () => membership.leave());
    const scheme = tls?.server === undefined ? 'http' : 'https';
    return { address, scheme, identity, advertiseAddress, stores, stop: () => shutdown.run() };
  } catch (error) {
    await shutdown.run();
    throw error;
  }
}

interface Parts extends Omit<Surroundings, 'bus'> {
  config: DataServerConfig;
  stores: Stores;
  /** Both undefined in a single node. */
  bus: MessageBus | undefined;
  membership: Membership | undefined;
  /** Whether objects may be served at present. */
  mayServe: () => boolean;
  identity: Identity;
  advertiseAddress: string;
  shutdown: Shutdown;
}

@Module({})
export class DataServerModule {
  static of(parts: Parts): DynamicModule {
    const { config, logger, metrics, stores, bus, membership, mayServe, identity, advertiseAddress, shutdown } = parts;
    const isStopping = () => shutdown.hasBegun;
    return {
      module: DataServerModule,
      imports: membership === undefined ? [] : [ClusterModule.of(membership, config.heartbeatIntervalMs)],
      controllers: [LocateController, IdentityController, HealthController, MetricsController],
      providers: [
        {
          provide: OBJECT_ENDPOINT,
          useFactory: () => {
            const endpoint = createObjectEndpoint(stores.objects, {
              maxObjectSizeBytes: config.maxObjectSizeBytes,
              maxCollectedBytes: config.smallObjectBytes,
              trustGranaryHeaders: true,
              logger,
              observe: (method, status, seconds) => metrics.observeRequest(ROUTES.objects, method, status, seconds),
            });
            return membership === undefined ? endpoint : onceIntroduced(membership, endpoint);
          },
        },
        { provide: OBJECT_LOCATOR, useFactory: () => locateHere(stores.objects, advertiseAddress) },
        { provide: IDENTITY, useValue: identity },
        {
          provide: READINESS_PROBE,
          useFactory: () => () =>
            dataServerReadiness({ usage: stores.usage, bus, own: membership?.own, mayServe, isStopping }),
        },
        { provide: METRICS_TEXT, useFactory: () => () => metrics.text() },
      ],
    };
  }
}

/** Refuses requests for objects until the others know who answers here now. */
function onceIntroduced(membership: Membership, endpoint: HttpHandler): HttpHandler {
  return async (request, response) => {
    if (membership.mayServe) return endpoint(request, response);
    sendProblem(request, response, starting());
  };
}

/** In a cluster with a secret nobody but its servers is answered. */
function gateOf(config: DataServerConfig, address: string, surroundings: Surroundings): HttpGate | undefined {
  const key = secretOf(config)?.key('http');
  return key && requireSignature(new RequestVerifier({ key, address }), surroundings);
}

function connectBus(
  config: DataServerConfig,
  { logger, metrics }: Surroundings,
  counters: BusMetrics,
): MessageBus | undefined {
  if (config.rabbitmqServer === undefined) return undefined;
  const bus = new RabbitMessageBus({
    url: config.rabbitmqServer,
    name: `granary data-server ${config.storageRoot}`,
    logger,
    metrics: counters,
  });
  const key = secretOf(config)?.key('messages');
  return key === undefined ? bus : new SignedMessageBus(bus, { key, onRefused: refusedMessages(logger, metrics) });
}
