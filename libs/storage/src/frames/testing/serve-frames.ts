import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FRAMES_UPGRADE, ROUTES } from '#contracts';
import { HTTP_SERVER_OPTIONS, hardenServer, serveUpgrades } from '#http';
import { silentLogger } from '#telemetry';
import type { FrameEndpointOptions } from '../server/endpoint-options.js';
import { FrameEndpoint } from '../server/frame-endpoint.js';

export interface FrameServer {
  address: string;
  port: number;
  server: Server;
  close(): Promise<void>;
}

/** A data server, as far as frames go, on 127.0.0.1. */
export async function serveFrames(options: Partial<FrameEndpointOptions>): Promise<FrameServer> {
  const endpoint = new FrameEndpoint({ spaces: {}, serverId: 'ds-1', ...options });
  const server = createServer(HTTP_SERVER_OPTIONS, (_req, res) => void res.writeHead(404).end());
  hardenServer(server, { logger: silentLogger });
  serveUpgrades(server, { path: ROUTES.frames, protocol: FRAMES_UPGRADE }, endpoint);
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', socket => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    port,
    server,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
