import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { access, constants, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pauseProcess } from '../pause-process.js';
import type { Broker } from './broker.js';
import { dieWithUs } from './die-with-us.js';
import { end, isRunning } from './end-child.js';
import { freePorts } from './free-port.js';
import { run } from './run.js';
import { waitForAmqp } from './wait-for-amqp.js';

const START_TIMEOUT_MS = 60_000;

/** Directories that hold RabbitMQ's own scripts though they are not on everyone's PATH. */
const USUAL_DIRECTORIES = ['/usr/lib/rabbitmq/bin', '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin'];

/** The directory of RabbitMQ's scripts, or undefined when it is not installed. */
export async function findRabbitMq(): Promise<string | undefined> {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter(directory => directory !== '');
  for (const directory of [...path, ...USUAL_DIRECTORIES]) {
    const script = await realpath(join(directory, 'rabbitmq-server')).catch(() => undefined);
    if (script !== undefined && !script.endsWith(DEBIAN_WRAPPER) && (await isExecutable(script)))
      return dirname(script);
  }
  return undefined;
}

/** Debian's /usr/sbin/rabbitmq-server changes to the user rabbitmq, whose directories are not ours; its scripts do not. */
const DEBIAN_WRAPPER = 'rabbitmq-script-wrapper';

/** Starts a node of its own name, ports and directories, reachable on 127.0.0.1 only. */
export async function startNativeBroker(scripts: string): Promise<Broker> {
  const directory = await mkdtemp(join(tmpdir(), 'granary-broker-'));
  const [port, distributionPort, epmdPort] = await freePorts(3);
  if (port === undefined || distributionPort === undefined || epmdPort === undefined) throw new Error('no free ports');
  const node = new NativeBroker(scripts, directory, { port, distributionPort, epmdPort });
  try {
    await node.start();
  } catch (error) {
    await node.stop();
    throw error;
  }
  return node;
}

interface Ports {
  port: number;
  distributionPort: number;
  epmdPort: number;
}

class NativeBroker implements Broker {
  readonly owned = true;
  readonly url: string;
  readonly origin: string;
  readonly #env: NodeJS.ProcessEnv;
  #epmd: ChildProcess | undefined;
  #node: ChildProcess | undefined;

  constructor(
    private readonly scripts: string,
    private readonly directory: string,
    private readonly ports: Ports,
  ) {
    this.url = `amqp://guest:guest@127.0.0.1:${ports.port}`;
    this.origin = `${join(scripts, 'rabbitmq-server')} on port ${ports.port}, in ${directory}`;
    this.#env = nodeEnvironment(directory, ports);
  }

  get pid(): number | undefined {
    return this.#node?.pid;
  }

  async start(): Promise<void> {
    await writeFile(join(this.directory, 'enabled_plugins'), '[].\n');
    await writeFile(join(this.directory, 'env.conf'), '');
    // Else Erlang starts one that outlives us.
    if (!isRunning(this.#epmd)) {
      const epmd = await dieWithUs('epmd', '-address', '127.0.0.1', '-port', `${this.ports.epmdPort}`);
      this.#epmd = spawn(epmd.program, epmd.args, { stdio: 'ignore' });
      this.#epmd.on('error', () => undefined);
    }
    const output = createWriteStream(join(this.directory, 'output.log'), { flags: 'a' });
    await once(output, 'open');
    // A process group of its own, so that a Ctrl-C in the terminal reaches it by our hand only.
    const server = await dieWithUs(join(this.scripts, 'rabbitmq-server'));
    const node = spawn(server.program, server.args, {
      env: this.#env,
      detached: true,
      stdio: ['ignore', output, output],
    });
    output.close();
    this.#node = node;
    let failure: string | undefined;
    node.on('error', error => (failure = error.message));
    node.on('exit', (code, signal) => (failure = `it ended with ${signal ?? `code ${code}`}`));
    process.on('exit', this.#killAll);
    // Read by whoever sweeps up after a test run that was cut short.
    await writeFile(join(this.directory, 'pids'), [node.pid, this.#epmd?.pid].filter(Boolean).join('\n'));
    await waitForAmqp(this.ports.port, START_TIMEOUT_MS, () => failure).catch(async (error: unknown) => {
      const log = await readFile(join(this.directory, 'output.log'), 'utf8');
      throw new Error(log.slice(-2000), { cause: error });
    });
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    await end(this.#epmd, 'SIGTERM');
    process.off('exit', this.#killAll);
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async pause(): Promise<void> {
    if (this.#node?.pid !== undefined && isRunning(this.#node)) await pauseProcess(this.#node.pid);
  }

  async resume(): Promise<void> {
    this.#node?.kill('SIGCONT');
  }

  async restart(): Promise<void> {
    await this.#end('SIGTERM');
    await this.start();
  }

  async ctl(...args: string[]): Promise<string> {
    return run(join(this.scripts, 'rabbitmqctl'), ['--quiet', ...args], { env: this.#env });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    // A stopped process takes no other signal but SIGKILL.
    await this.resume();
    await end(this.#node, signal);
  }

  readonly #killAll = (): void => {
    for (const child of [this.#node, this.#epmd]) {
      if (isRunning(child)) child?.kill('SIGKILL');
    }
  };
}

/** https://www.rabbitmq.com/docs/configure#supported-environment-variables */
function nodeEnvironment(directory: string, ports: Ports): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    LANG: 'C.UTF-8',
    // The Erlang cookie lies there.
    HOME: directory,
    ERL_EPMD_PORT: `${ports.epmdPort}`,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_CRASH_DUMP_SECONDS: '0',
    RABBITMQ_NODENAME: `granary-${ports.port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: `${ports.port}`,
    RABBITMQ_DIST_PORT: `${ports.distributionPort}`,
    RABBITMQ_CONF_ENV_FILE: join(directory, 'env.conf'),
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq'),
    RABBITMQ_MNESIA_BASE: join(directory, 'data'),
    RABBITMQ_MNESIA_DIR: join(directory, 'data', 'node'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
    RABBITMQ_PID_FILE: join(directory, 'pid'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(directory, 'config'),
    RABBITMQ_FEATURE_FLAGS_FILE: join(directory, 'data', 'feature_flags'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    // The start script then becomes the Erlang process, instead of a shell that waits for it: its pid is the broker's.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
