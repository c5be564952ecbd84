import { freePorts } from '../broker/free-port.js';
import { run } from '../broker/run.js';
import type { Postgres } from './postgres.js';
import { waitForPostgres } from './wait-for-postgres.js';

const IMAGE = 'postgres:17-alpine';
const PULL_TIMEOUT_MS = 300_000;
const START_TIMEOUT_MS = 60_000;

/** Starts a container of its own, published on 127.0.0.1 only. */
export async function startDockerPostgres(): Promise<Postgres> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('no free port');
  const publish = ['--publish', `127.0.0.1:${port}:5432`, '--env', 'POSTGRES_HOST_AUTH_METHOD=trust'];
  const container = (
    await run('docker', ['run', '--detach', ...publish, IMAGE], { timeoutMs: PULL_TIMEOUT_MS })
  ).trim();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const answered = (): Promise<void> => waitForPostgres(url, START_TIMEOUT_MS, () => undefined);
  const docker = async (...command: string[]): Promise<void> => void (await run('docker', [...command, container]));
  const postgres: Postgres = {
    url,
    origin: `Docker container ${container.slice(0, 12)} of ${IMAGE} on port ${port}`,
    owned: true,
    stop: () => docker('rm', '--force', '--volumes'),
    kill: () => docker('kill'),
    pause: () => docker('pause'),
    resume: () => docker('unpause'),
    restart: async () => {
      await docker('restart');
      await answered();
    },
  };
  await answered().catch(async (error: unknown) => {
    await postgres.stop();
    throw error;
  });
  return postgres;
}
