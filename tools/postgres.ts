import { aptInstall } from './broker/apt-install.js';
import { dockerAnswers } from './broker/docker-broker.js';
import { startDockerPostgres } from './postgres/docker-postgres.js';
import { findPostgres, startNativePostgres } from './postgres/native-postgres.js';
import type { Postgres } from './postgres/postgres.js';

export type { Postgres } from './postgres/postgres.js';

/** The server of `POSTGRES_URL` if that is set, else one of our own. */
export async function startPostgres(): Promise<Postgres> {
  const url = process.env['POSTGRES_URL'];
  return url === undefined || url === '' ? ownPostgres() : givenPostgres(url);
}

/** A server of our own, whatever is set: binaries of this machine, or Docker, or installed with apt. */
export async function ownPostgres(): Promise<Postgres> {
  const installed = await findPostgres();
  if (installed !== undefined) return startNativePostgres(installed);
  if (await dockerAnswers()) return startDockerPostgres();
  await aptInstall('postgresql', WHAT_TO_DO);
  const fresh = await findPostgres();
  if (fresh === undefined) throw new Error('apt-get installed postgresql, but it cannot be found.');
  return startNativePostgres(fresh);
}

const WHAT_TO_DO =
  'No PostgreSQL: set POSTGRES_URL=postgres://user:password@host:port/database (of a user that may create databases), or install postgresql, or start Docker.';

function givenPostgres(url: string): Postgres {
  return {
    url,
    origin: 'POSTGRES_URL',
    owned: false,
    stop: async () => undefined,
    kill: notOurs,
    pause: notOurs,
    resume: notOurs,
    restart: notOurs,
  };
}

async function notOurs(): Promise<never> {
  throw new Error('The server of POSTGRES_URL is not ours to control.');
}
