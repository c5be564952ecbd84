import { aptInstall } from './broker/apt-install.js';
import type { Broker } from './broker/broker.js';
import { dockerAnswers, startDockerBroker } from './broker/docker-broker.js';
import { findRabbitMq, startNativeBroker } from './broker/native-broker.js';

export type { Broker } from './broker/broker.js';

/** The broker of `RABBITMQ_SERVER` if that is set, else one of our own. */
export async function startBroker(): Promise<Broker> {
  const url = process.env['RABBITMQ_SERVER'];
  return url === undefined || url === '' ? ownBroker() : givenBroker(url);
}

/** A broker of our own, whatever is set: a `rabbitmq-server` of this machine, or of Docker, or installed with apt. */
export async function ownBroker(): Promise<Broker> {
  const installed = await findRabbitMq();
  if (installed !== undefined) return startNativeBroker(installed);
  if (await dockerAnswers()) return startDockerBroker();
  await aptInstall('rabbitmq-server', WHAT_TO_DO);
  const fresh = await findRabbitMq();
  if (fresh === undefined) throw new Error('apt-get installed rabbitmq-server, but it cannot be found.');
  return startNativeBroker(fresh);
}

const WHAT_TO_DO =
  'No RabbitMQ: set RABBITMQ_SERVER=amqp://user:password@host:port, or install rabbitmq-server, or start Docker.';

function givenBroker(url: string): Broker {
  return {
    url,
    origin: 'RABBITMQ_SERVER',
    owned: false,
    pid: undefined,
    stop: async () => undefined,
    kill: notOurs,
    pause: notOurs,
    resume: notOurs,
    restart: notOurs,
    ctl: notOurs,
  };
}

async function notOurs(): Promise<never> {
  throw new Error('The broker of RABBITMQ_SERVER is not ours to control.');
}
