import cluster from 'node:cluster';
import { createServer, type RequestListener } from 'node:http';
import type { Server } from 'node:net';
import { parseArgs } from 'node:util';
import { fileEach } from './file-each.js';
import { frameFront, frameStore } from './frames.js';
import { oneHop } from './one-hop.js';
import { twoHops } from './two-hops.js';

/**
 * The floors: what the same work costs in bare node, with nothing of Granary in it.
 *
 *   node floors/main.js one-hop  --listen host:port
 *   node floors/main.js two-hops --listen host:port --upstream host:port
 *   node floors/main.js frame-store --listen host:port
 *   node floors/main.js frame-front --listen host:port --upstream host:port,host:port --workers n
 *   node floors/main.js file-each --listen host:port --directory path
 */
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    listen: { type: 'string' },
    upstream: { type: 'string' },
    directory: { type: 'string' },
    workers: { type: 'string', default: '1' },
  },
});

process.once('SIGTERM', () => process.exit(0));
const workers = Number(values.workers);
if (workers > 1 && cluster.isPrimary) fork();
else listen(server(positionals[0]));

function fork(): void {
  let listening = 0;
  cluster.on('listening', () => {
    listening += 1;
    if (listening === workers) console.log('listening');
  });
  for (let worker = 0; worker < workers; worker += 1) cluster.fork();
}

function listen(each: Server): void {
  const [host, port] = required('listen').split(':');
  each.listen(Number(port), host, () => cluster.isPrimary && console.log('listening'));
}

function server(floor: string | undefined): Server {
  if (floor === 'one-hop') return httpServer(oneHop());
  if (floor === 'two-hops') return httpServer(twoHops(required('upstream')));
  if (floor === 'frame-store') return frameStore();
  if (floor === 'frame-front') return httpServer(frameFront(required('upstream').split(',')));
  if (floor === 'file-each') return httpServer(fileEach(required('directory')));
  throw new Error('which floor: one-hop, two-hops, frame-store, frame-front or file-each?');
}

function httpServer(listener: RequestListener): Server {
  const server = createServer({ requestTimeout: 0 }, listener);
  server.keepAliveTimeout = 60_000;
  return server;
}

function required(option: 'listen' | 'upstream' | 'directory'): string {
  const value = values[option];
  if (value === undefined) throw new Error(`--${option} is missing`);
  return value;
}
