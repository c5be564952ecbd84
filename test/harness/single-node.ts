import { join } from 'node:path';
import { freePort } from './free-port.js';
import { loopback } from './lane.js';
import { ServerProcess } from './server-process.js';
import { tempDirectory } from './temp-directory.js';

export interface SingleNodeOptions {
  directory?: string;
  host?: string;
  env?: Record<string, string>;
  wrapper?: readonly string[];
}

/** A data server without a broker: a complete store by itself. Resolves when it is ready. */
export async function startSingleNode(options: SingleNodeOptions = {}): Promise<ServerProcess> {
  const host = options.host ?? loopback('3.1');
  const server = new ServerProcess({
    program: 'data-server',
    name: 'single node',
    env: {
      LISTEN_ADDRESS: `${host}:${await freePort(host)}`,
      STORAGE_ROOT: options.directory ?? join(tempDirectory('store'), 'store'),
      ...options.env,
    },
    ...(options.wrapper === undefined ? {} : { wrapper: options.wrapper }),
  });
  await server.ready();
  return server;
}
