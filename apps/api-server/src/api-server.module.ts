import { Module, type DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { ClusterView, LogicalClock, type Member } from '#cluster';
import { FRAMES_VERSION, ROUTES } from '#contracts';
import { createObjectEndpoint } from '#http';
import type { BusMetrics, MessageBus } from '#mq';
import { RabbitMessageBus } from '#mq/rabbitmq';
import { SignedMessageBus } from '#mq/signed';
import {
  busMetrics,
  createApplication,
  drainApplication,
  HealthController,
  listen,
  MessageBusTransport,
  METRICS_TEXT,
  MetricsController,
  OBJECT_ENDPOINT,
  READINESS_PROBE,
  refusedMessages,
  Shutdown,
  type MetricsText,
  type RunningProgram,
} from '#nest';
import { ClusterTls, RequestSigner, secretOf } from '#secret';
import type { ShardStore } from '#storage';
import { RemoteStores } from '#storage/remote';
import type { Logger, Metrics } from '#telemetry';
import { HeartbeatController } from './cluster/heartbeat.controller.js';
import { Membership } from './cluster/membership.js';
import { proveServer } from './cluster/prove-server.js';
import { gaugeView, malformedCounter, viewReporter } from './cluster/report-view.js';
import { SweepTask } from './cluster/sweep.task.js';
import { untilKnown } from './cluster/until-known.js';
import type { ApiServerConfig } from './config.js';
import { serveFullObjects } from './full-objects.module.js';
import { servePlainObjects } from './plain-objects.module.js';
import { apiServerReadiness } from './readiness.js';
import { ClusterController } from './rest/cluster.controller.js';
import type { ServedObjects } from './served-objects.module.js';

/** What of the configuration an API server needs, wherever it runs. */
export interface ApiServerSettings extends Omit<
  ApiServerConfig,
  'rabbitmqServer' | 'workers' | 'logLevel' | 'logFormat' | 'tlsVerifyClient'
> {
  tlsVerifyClient?: boolean;
  rabbitmqServer?: string | undefined;
}

export interface Surroundings {
  logger: Logger;
  metrics: Metrics;
  /** What `GET /metrics` shows. Default: these metrics; a worker shows those of all workers. */
  metricsText?: MetricsText;
  /** One that only servers of this process share, instead of the broker. The API server closes it. */
  bus?: MessageBus;
  /** The stores of data servers in this process, by server id: they are used without a hop over the network. */
  localStores?: ReadonlyMap<string, LocalStores>;
}

/** What a data server keeps. */
export interface LocalStores {
  objects: ShardStore;
  shards: ShardStore | undefined;
}

export interface ApiServer extends RunningProgram {
  view: ClusterView;
}

/**
 * Starts an API server: its bus, its view of the data servers, their stores, the operations on
 * objects over these, and its HTTP server. Ends them in the reverse order. A start that fails leaves
 * nothing open. It does not wait for the broker.
 */
export async function startApiServer(settings: ApiServerSettings, surroundings: Surroundings): Promise<ApiServer> {
  const { logger, metrics, metricsText = () => metrics.text() } = surroundings;
  const shutdown = new Shutdown(logger);
  try {
    const tls = ClusterTls.of(settings);
    if (tls !== undefined) shutdown.add('certificates', tls.watch(logger));

    const busCounters = busMetrics(metrics);
    const bus = surroundings.bus ?? connectBus(settings, surroundings, busCounters);
    shutdown.add('bus', () => bus.close());

    const clock = new LogicalClock();
    const stores: RemoteStores = openStores(settings, tls, () => view, shutdown);
    const view = createView(settings, surroundings, stores, clock);
    const { objectsOf, shardsOf } = storesOf(stores, surroundings.localStores);
    const { metadataUrl, locateTimeoutMs } = settings;
    const objects =
      metadataUrl === undefined
        ? servePlainObjects({ bus, view, clock, storeOf: objectsOf, locateTimeoutMs })
        : await serveFullObjects({
            settings: { ...settings, metadataUrl },
            view,
            shardsOf,
            localServers: surroundings.localStores?.size,
            logger,
            metrics,
            shutdown,
          });
    const membership = new Membership(view, bus, malformedCounter(metrics));

    const parts = { settings, logger, metrics, metricsText, bus, view, objects, membership, shutdown };
    const app = await createApplication(ApiServerModule.of(parts), {
      program: 'api-server',
      ...settings,
      logger,
      metrics,
      tls,
    });
    shutdown.add('application', () => app.close());
    app.connectMicroservice({ strategy: new MessageBusTransport(bus, busCounters) });
    await app.startAllMicroservices();
    shutdown.add('membership', membership.start());
    await untilKnown(view, surroundings.localStores?.size ?? 1);

    const address = await listen(app, settings.listenAddress);
    shutdown.add('http', () => drainApplication(app, settings.shutdownDeadlineMs, logger));
    const scheme = tls?.server === undefined ? 'http' : 'https';
    return { address, scheme, view, stop: () => shutdown.run() };
  } catch (error) {
    await shutdown.run();
    throw error;
  }
}

interface Parts {
  settings: ApiServerSettings;
  logger: Logger;
  metrics: Metrics;
  metricsText: MetricsText;
  bus: MessageBus;
  view: ClusterView;
  objects: ServedObjects;
  membership: Membership;
  shutdown: Shutdown;
}

@Module({})
export class ApiServerModule {
  static of(parts: Parts): DynamicModule {
    const { settings, logger, metrics, metricsText, bus, view, objects, membership, shutdown } = parts;
    const isStopping = () => shutdown.hasBegun;
    return {
      module: ApiServerModule,
      imports: [ScheduleModule.forRoot()],
      controllers: [
        ...objects.controllers,
        ClusterController,
        HeartbeatController,
        HealthController,
        MetricsController,
      ],
      providers: [
        SweepTask,
        { provide: Membership, useValue: membership },
        ...objects.providers,
        {
          provide: OBJECT_ENDPOINT,
          useFactory: () =>
            createObjectEndpoint(objects.store, {
              maxObjectSizeBytes: settings.maxObjectSizeBytes,
              verifyRelayed: objects.isRelayed,
              logger,
              observe: (method, status, seconds) => metrics.observeRequest(ROUTES.objects, method, status, seconds),
            }),
        },
        {
          provide: READINESS_PROBE,
          useFactory: () => async () =>
            apiServerReadiness({ view, bus, isStopping, others: await objects.dependencies() }),
        },
        { provide: METRICS_TEXT, useValue: metricsText },
      ],
    };
  }
}

function connectBus(settings: ApiServerSettings, { logger, metrics }: Surroundings, counters: BusMetrics): MessageBus {
  const { rabbitmqServer } = settings;
  if (rabbitmqServer === undefined) throw new Error('An API server needs a broker, or a bus of its process.');
  const bus = new RabbitMessageBus({
    url: rabbitmqServer,
    name: `granary api-server ${process.pid}`,
    logger,
    metrics: counters,
  });
  const key = secretOf(settings)?.key('messages');
  return key === undefined ? bus : new SignedMessageBus(bus, { key, onRefused: refusedMessages(logger, metrics) });
}

function createView(
  { serverExpiryMs, forgetServerAfterMs }: ApiServerSettings,
  { bus, logger, metrics }: Surroundings,
  stores: RemoteStores,
  clock: LogicalClock,
): ClusterView {
  const view = new ClusterView({
    prove: proveServer(call => stores.call(call)),
    clock,
    expiryMs: serverExpiryMs,
    forgetAfterMs: forgetServerAfterMs,
    // On a bus inside this process there are no peers to wait for.
    ...(bus !== undefined && { settleMs: 0 }),
    report: viewReporter(logger, metrics),
  });
  gaugeView(view, metrics);
  view.onChange(() => stores.retain(new Set(view.live.map(member => member.address))));
  return view;
}

/** The stores at other addresses. They tell the view how their servers do. */
function openStores(
  settings: ApiServerSettings,
  tls: ClusterTls | undefined,
  view: () => ClusterView,
  shutdown: Shutdown,
): RemoteStores {
  const at = (address: string, tell: (member: Member) => void): void => {
    const member = view().at(address);
    if (member !== undefined) tell(member);
  };
  const secret = secretOf(settings);
  const stores = new RemoteStores({
    answerMs: settings.dataServerTimeoutMs,
    health: {
      onAnswer: address => at(address, member => view().answered(member)),
      onFailure: address => at(address, member => view().suspect(member)),
    },
    ...(tls !== undefined && { tls }),
    ...(secret !== undefined && { signer: new RequestSigner(secret.key('http')), authKey: secret.key('frames') }),
  });
  shutdown.add('connections to data servers', () => stores.close());
  return stores;
}

function storesOf(
  remote: RemoteStores,
  local?: ReadonlyMap<string, LocalStores>,
): { objectsOf: (member: Member) => ShardStore; shardsOf: (member: Member) => ShardStore } {
  return {
    objectsOf: member =>
      local?.get(member.key)?.objects ??
      (speaksFrames(member)
        ? remote.storeAt(member.address, 'frames', { serverId: member.key })
        : remote.storeAt(member.address, member.kind)),
    shardsOf: member =>
      local?.get(member.key)?.shards ??
      remote.storeAt(member.address, 'frames', { space: 'shards', serverId: member.key }),
  };
}

/** Frames cost a small object a fraction of what HTTP does (docs/protocol/frames.md). */
function speaksFrames({ facts }: Member): boolean {
  return facts?.framesVersion === FRAMES_VERSION;
}
