import type { Server } from 'node:http';
import { Server as TlsServer } from 'node:https';
import { isIPv6, type AddressInfo } from 'node:net';
import type { DynamicModule, INestApplication, NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { hardenServer, type HttpGate, type HttpHandler } from '#http';
import type { Logger, Metrics } from '#telemetry';
import { LeanExpressAdapter } from './lean-express-adapter.js';
import { OBJECT_ENDPOINT } from './object-endpoint.js';
import { NestLogger } from './nest-logger.js';
import type { Program } from './openapi/documented-route.js';
import { ProblemFilter } from './problem-filter.js';
import { serveDocs } from './serve-docs.js';

type HttpsOptions = NonNullable<NestApplicationOptions['httpsOptions']>;

export interface ApplicationOptions {
  program: Program;
  logger: Logger;
  metrics: Metrics;
  /** A transfer that makes no progress for this long is closed. */
  stallTimeoutMs: number;
  maxConnections: number;
  /** Decides who is answered. Default: everybody. */
  gate?: HttpGate | undefined;
  /** With a certificate HTTPS is served, and no HTTP. */
  tls?: ServedTls | undefined;
}

/** The certificate of a server, which may change while it serves. */
export interface ServedTls {
  readonly server: HttpsOptions | undefined;
  onReload(listener: (options: HttpsOptions) => void): void;
}

/** A Nest application as both servers want it: lean, hardened, without body parsers, with `/docs`. It does not listen yet. */
export async function createApplication(
  module: DynamicModule,
  options: ApplicationOptions,
): Promise<INestApplication<Server>> {
  const { logger, metrics, stallTimeoutMs, maxConnections, gate, tls } = options;
  const adapter = new LeanExpressAdapter((...seen) => metrics.observeRequest(...seen));
  const app = await NestFactory.create<INestApplication<Server>>(module, adapter, {
    bodyParser: false,
    abortOnError: false,
    logger: new NestLogger(logger),
    ...(tls?.server !== undefined && { httpsOptions: tls.server }),
  });
  const server = app.getHttpServer();
  if (server instanceof TlsServer) tls?.onReload(certificate => server.setSecureContext(certificate));
  if (gate !== undefined) adapter.guard(gate);
  adapter.serveObjects(app.get<HttpHandler>(OBJECT_ENDPOINT));
  hardenServer(server, { logger, stallTimeoutMs, maxConnections });
  app.useGlobalFilters(new ProblemFilter(adapter, logger));
  serveDocs(app, options.program);
  return app;
}

/** Resolves to `host:port`, as the system gave it. */
export async function listen(
  app: INestApplication<Server>,
  address: { host: string | undefined; port: number },
): Promise<string> {
  await app.init();
  const server = app.getHttpServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(
      { port: address.port, ...(address.host !== undefined && { host: address.host }), backlog: 1024 },
      () => {
        server.off('error', reject);
        resolve();
      },
    );
  });
  return formatAddress(server.address());
}

function formatAddress(address: string | AddressInfo | null): string {
  if (address === null || typeof address === 'string') throw new Error('The server does not listen on a port.');
  return isIPv6(address.address) ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
