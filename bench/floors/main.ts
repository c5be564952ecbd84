import { createServer, type RequestListener } from 'node:http';
import { parseArgs } from 'node:util';
import { fileEach } from './file-each.js';
import { oneHop } from './one-hop.js';
import { twoHops } from './two-hops.js';

/**
 * The floors: what the same work costs in bare node:http, with nothing of Granary in it.
 *
 *   node floors/main.js one-hop  --listen host:port
 *   node floors/main.js two-hops --listen host:port --upstream host:port
 *   node floors/main.js file-each --listen host:port --directory path
 */
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { listen: { type: 'string' }, upstream: { type: 'string' }, directory: { type: 'string' } },
});

const [host, port] = required('listen').split(':');
const server = createServer({ requestTimeout: 0 }, listener(positionals[0]));
server.keepAliveTimeout = 60_000;
server.listen(Number(port), host, () => console.log('listening'));
process.once('SIGTERM', () => process.exit(0));

function listener(floor: string | undefined): RequestListener {
  if (floor === 'one-hop') return oneHop();
  if (floor === 'two-hops') return twoHops(required('upstream'));
  if (floor === 'file-each') return fileEach(required('directory'));
  throw new Error('which floor: one-hop, two-hops or file-each?');
}

function required(option: 'listen' | 'upstream' | 'directory'): string {
  const value = values[option];
  if (value === undefined) throw new Error(`--${option} is missing`);
  return value;
}
