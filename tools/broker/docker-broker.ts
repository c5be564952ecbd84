import type { Broker } from './broker.js';
import { freePorts } from './free-port.js';
import { run } from './run.js';
import { waitForAmqp } from './wait-for-amqp.js';

const IMAGE = 'rabbitmq:4-alpine';
const PULL_TIMEOUT_MS = 300_000;
const START_TIMEOUT_MS = 60_000;

/** Whether a Docker engine answers, not only its client. */
export async function dockerAnswers(): Promise<boolean> {
  return run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeoutMs: 10_000 }).then(
    version => version.trim() !== '',
    () => false,
  );
}

/** Starts a container of its own, published on 127.0.0.1 only. */
export async function startDockerBroker(): Promise<Broker> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('no free port');
  const args = ['run', '--detach', '--publish', `127.0.0.1:${port}:5672`, IMAGE];
  const container = (await run('docker', args, { timeoutMs: PULL_TIMEOUT_MS })).trim();
  const answered = (): Promise<void> => waitForAmqp(port, START_TIMEOUT_MS, () => undefined);
  const broker: Broker = {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    origin: `Docker container ${container.slice(0, 12)} of ${IMAGE} on port ${port}`,
    owned: true,
    pid: undefined,
    stop: async () => void (await docker('rm', '--force', '--volumes', container)),
    kill: async () => void (await docker('kill', container)),
    pause: async () => void (await docker('pause', container)),
    resume: async () => void (await docker('unpause', container)),
    restart: async () => {
      await docker('restart', container);
      await answered();
    },
    ctl: async (...command) => docker('exec', container, 'rabbitmqctl', '--quiet', ...command),
  };
  await answered().catch(async (error: unknown) => {
    await broker.stop();
    throw error;
  });
  return broker;
}

async function docker(...command: string[]): Promise<string> {
  return run('docker', command);
}
