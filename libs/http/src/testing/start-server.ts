import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from '@jest/globals';
import type { ShardStore } from '#storage';
import { silentLogger } from '#telemetry';
import type { ObjectEndpointOptions } from '../exchange.js';
import { createObjectEndpoint } from '../object-endpoint.js';
import { HTTP_SERVER_OPTIONS, hardenServer, type HardenOptions } from '../server-hygiene.js';

export interface StartedServer {
  server: Server;
  port: number;
  url: (encodedName: string) => string;
  close: () => Promise<void>;
}

export const KIB = 1024;

/** The endpoint on a real, hardened server of 127.0.0.1. */
export async function startServer(
  store: ShardStore,
  options: Partial<ObjectEndpointOptions & HardenOptions> = {},
): Promise<StartedServer> {
  const endpoint = createObjectEndpoint(store, { maxObjectSizeBytes: 1024 * KIB, logger: silentLogger, ...options });
  const server = createServer(HTTP_SERVER_OPTIONS, (req, res) => void endpoint(req, res));
  hardenServer(server, { logger: silentLogger, ...options });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    server,
    port,
    url: encodedName => `http://127.0.0.1:${port}/objects/${encodedName}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Waits until it holds; fails after 10 s. */
export async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !holds(); i += 1) await new Promise(resolve => setTimeout(resolve, 10));
  expect(holds()).toBe(true);
}
