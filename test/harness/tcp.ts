import { readFileSync } from 'node:fs';

const ESTABLISHED = '01';

/** How many connections to a local TCP port are open, by /proc, seen from the listening side. */
export function establishedConnectionsTo(port: number): number {
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap(path => readFileSync(path, 'utf8').split('\n').slice(1))
    .map(line => line.trim().split(/\s+/))
    .filter(
      ([, local = '', , state]) => state === ESTABLISHED && Number.parseInt(local.split(':')[1] ?? '', 16) === port,
    ).length;
}
