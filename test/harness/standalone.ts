import { join } from 'node:path';
import { freePort } from './free-port.js';
import { loopback } from './lane.js';
import { ServerProcess } from './server-process.js';
import { tempDirectory } from './temp-directory.js';

export interface StandaloneOptions {
  /** One data server each. */
  directories?: readonly string[];
  env?: Record<string, string>;
}

const HOST = loopback('5.1');
const DATA_SERVERS = 6;

/**
 * All in one process, as `npm start` runs it, but that it keeps no contents in memory unless `env` says so: a
 * GET is to say what is on the disks. Resolves when it is ready.
 */
export async function startStandalone(options: StandaloneOptions = {}): Promise<ServerProcess> {
  const root = tempDirectory('standalone');
  const directories =
    options.directories ?? Array.from({ length: DATA_SERVERS }, (_, index) => join(root, String(index + 1)));
  const server = new ServerProcess({
    program: 'standalone',
    name: 'standalone',
    env: {
      LISTEN_ADDRESS: `${HOST}:${await freePort(HOST)}`,
      STORAGE_ROOT: directories.join(','),
      METADATA_URL: `sqlite:${join(root, 'metadata.db')}`,
      HOT_BLOB_CACHE_BYTES: '0',
      ...options.env,
    },
  });
  await server.ready();
  return server;
}
