import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { access, chown, constants, mkdir, mkdtemp, readFile, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { dieWithUs } from '../broker/die-with-us.js';
import { end, isRunning } from '../broker/end-child.js';
import { freePorts } from '../broker/free-port.js';
import { pauseProcess } from '../pause-process.js';
import { processTree } from './process-tree.js';
import type { Postgres } from './postgres.js';
import { unprivilegedUser, type SystemUser } from './unprivileged-user.js';
import { waitForPostgres } from './wait-for-postgres.js';

const START_TIMEOUT_MS = 60_000;
const USER = 'granary';

/** Where packages put the server's binaries, which are on nobody's PATH. */
const PACKAGED = '/usr/lib/postgresql';
const USUAL_DIRECTORIES = ['/usr/local/pgsql/bin', '/opt/homebrew/opt/postgresql/bin', '/usr/pgsql/bin'];

/** The directory of initdb and postgres, or undefined when they are not installed. */
export async function findPostgres(): Promise<string | undefined> {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter(directory => directory !== '');
  const versions = (await readdir(PACKAGED).catch(() => [])).sort((first, second) => Number(second) - Number(first));
  const packaged = versions.map(version => join(PACKAGED, version, 'bin'));
  for (const directory of [...path, ...packaged, ...USUAL_DIRECTORIES]) {
    if (!(await isExecutable(join(directory, 'postgres')))) continue;
    // initdb lies beside the server's real place.
    const binaries = dirname(await realpath(join(directory, 'postgres')));
    if (await isExecutable(join(binaries, 'initdb'))) return binaries;
  }
  return undefined;
}

/** Starts a server with a directory and a port of its own, reachable on 127.0.0.1 only. It syncs as any server does. */
export async function startNativePostgres(binaries: string): Promise<Postgres> {
  const directory = await mkdtemp(join(tmpdir(), 'granary-postgres-'));
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('no free port');
  const server = new NativePostgres(binaries, directory, port, await unprivilegedUser());
  try {
    await server.initialize();
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

class NativePostgres implements Postgres {
  readonly owned = true;
  readonly url: string;
  readonly origin: string;
  readonly #data: string;
  #server: ChildProcess | undefined;

  constructor(
    private readonly binaries: string,
    private readonly directory: string,
    private readonly port: number,
    private readonly user: SystemUser | undefined,
  ) {
    this.url = `postgres://${USER}@127.0.0.1:${port}/postgres`;
    this.origin = `${join(binaries, 'postgres')} on port ${port}, in ${directory}`;
    this.#data = join(directory, 'data');
  }

  async initialize(): Promise<void> {
    await mkdir(this.#data, { mode: 0o700 });
    if (this.user !== undefined) {
      for (const path of [this.directory, this.#data]) await chown(path, this.user.uid, this.user.gid);
    }
    const identity = ['--username', USER, '--auth', 'trust'];
    const text = ['--encoding', 'UTF8', '--locale', 'C'];
    const args = ['--pgdata', this.#data, ...identity, ...text, '--no-sync'];
    await promisify(execFile)(join(this.binaries, 'initdb'), args, { cwd: this.directory, ...this.user });
  }

  async start(): Promise<void> {
    const output = createWriteStream(join(this.directory, 'output.log'), { flags: 'a' });
    await once(output, 'open');
    const options = ['-D', this.#data, '-p', `${this.port}`, '-h', '127.0.0.1', '-k', ''];
    const command = await dieWithUs(join(this.binaries, 'postgres'), ...options);
    // A process group of its own, so that a Ctrl-C in the terminal reaches it by our hand only.
    const server = spawn(command.program, command.args, {
      cwd: this.directory,
      detached: true,
      stdio: ['ignore', output, output],
      ...this.user,
    });
    output.close();
    this.#server = server;
    let failure: string | undefined;
    server.on('error', error => (failure = error.message));
    server.on('exit', (code, signal) => (failure = `it ended with ${signal ?? `code ${code}`}`));
    process.on('exit', this.#killServer);
    // Read by whoever sweeps up after a test run that was cut short.
    await writeFile(join(this.directory, 'pids'), `${server.pid ?? ''}`);
    await waitForPostgres(this.url, START_TIMEOUT_MS, () => failure).catch(async (error: unknown) => {
      const log = await readFile(join(this.directory, 'output.log'), 'utf8');
      throw new Error(log.slice(-2000), { cause: error });
    });
  }

  async stop(): Promise<void> {
    await this.#end();
    process.off('exit', this.#killServer);
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async kill(): Promise<void> {
    const server = this.#server;
    const ended = isRunning(server) && server !== undefined ? once(server, 'exit') : undefined;
    await this.#forAll(pid => process.kill(pid, 'SIGKILL'));
    await ended;
  }

  async pause(): Promise<void> {
    await this.#forAll(pauseProcess);
  }

  async resume(): Promise<void> {
    await this.#forAll(pid => process.kill(pid, 'SIGCONT'));
  }

  async restart(): Promise<void> {
    await this.#end();
    await this.start();
  }

  /** SIGINT is its fast shutdown, which waits for no client. */
  async #end(): Promise<void> {
    await this.resume();
    await end(this.#server, 'SIGINT');
  }

  /** Each connection has a process, in a session of its own. */
  async #forAll(act: (pid: number) => unknown): Promise<void> {
    const pid = this.#server?.pid;
    if (pid === undefined || !isRunning(this.#server)) return;
    for (const each of await processTree(pid)) {
      try {
        await act(each);
      } catch {
        // It has ended.
      }
    }
  }

  readonly #killServer = (): void => {
    if (isRunning(this.#server)) this.#server?.kill('SIGKILL');
  };
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
