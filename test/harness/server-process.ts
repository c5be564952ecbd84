import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pauseProcess } from '../../tools/pause-process.js';
import { request } from './http.js';
import { stopwatch } from './stopwatch.js';
import { waitUntil } from './wait-until.js';

export type Program = 'api-server' | 'data-server' | 'standalone';

export interface ServerOptions {
  program: Program;
  /** For messages only. */
  name: string;
  /** The whole environment beside PATH: nothing of the test's own leaks in. */
  env: Record<string, string>;
  /** Put before `node`, e.g. faketime or prlimit. */
  wrapper?: readonly string[];
}

const REPOSITORY = join(import.meta.dirname, ...(import.meta.dirname.includes('/dist/') ? ['..'] : []), '..', '..');
const LOG_LINES_KEPT = 2_000;
/** A server drains for at most 30 s after SIGTERM. */
const STOP_TIMEOUT_MS = 35_000;

const running = new Set<ServerProcess>();
/** Of servers that ended though nobody asked them to. */
const unexpectedEnds: string[] = [];

/** One real process of ours, started from dist/, known by its pid. */
export class ServerProcess {
  readonly log: string[] = [];
  private child: ChildProcess;
  private isToEnd = false;
  private exited: Promise<number | null>;
  /** Resolves when it has ended, and its output too. */
  private hushed: Promise<unknown>;

  constructor(readonly options: ServerOptions) {
    [this.child, this.exited, this.hushed] = this.spawn();
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.options.name} did not start`);
    return this.child.pid;
  }

  get address(): string {
    return this.options.env['LISTEN_ADDRESS'] ?? '127.0.0.1:12345';
  }

  get url(): string {
    return `${this.options.env['TLS_CERT'] === undefined ? 'http' : 'https'}://${this.address}`;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Resolves when it says that it is ready; rejects with its log when it exits or takes too long. */
  async ready(timeoutMs = 60_000): Promise<void> {
    try {
      await waitUntil(`${this.options.name} is ready`, timeoutMs, async () => {
        if (!this.isRunning) return true;
        return (await request(`${this.url}/health/ready`, { timeoutMs: 1_000 })).status === 200;
      });
      if (!this.isRunning) throw new Error(`${this.options.name} exited with ${this.child.exitCode}`);
    } catch (error) {
      throw new Error(`${String(error)}\n${this.logTail()}`, { cause: error });
    }
  }

  signal(signal: 'SIGTERM' | 'SIGINT' | 'SIGCONT' | 'SIGKILL'): void {
    this.isToEnd ||= signal !== 'SIGCONT';
    if (this.isRunning) process.kill(this.pid, signal);
  }

  /** It hangs until SIGCONT. */
  async pause(): Promise<void> {
    await pauseProcess(this.pid);
  }

  /** Asks it to go and waits. Returns the exit code and how long it took. */
  async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<{ code: number | null; ms: number }> {
    const elapsedMs = stopwatch();
    this.signal('SIGCONT');
    this.signal(signal);
    const overdue = setTimeout(() => this.signal('SIGKILL'), STOP_TIMEOUT_MS);
    const code = await this.exited;
    clearTimeout(overdue);
    return { code, ms: elapsedMs() };
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }

  /** Resolves to the exit code when it has ended by itself, and all that it said is in the log. */
  async exit(): Promise<number | null> {
    await this.hushed;
    return this.exited;
  }

  /** The same environment and directory again, with changes if any. The old process must have ended. */
  start(changes: Record<string, string> = {}): void {
    if (this.isRunning) throw new Error(`${this.options.name} still runs`);
    Object.assign(this.options.env, changes);
    [this.child, this.exited, this.hushed] = this.spawn();
  }

  async restart(): Promise<void> {
    await this.stop();
    this.start();
    await this.ready();
  }

  logTail(lines = 40): string {
    return [`--- ${this.options.name} (pid ${this.child.pid}) ---`, ...this.log.slice(-lines)].join('\n');
  }

  private spawn(): [ChildProcess, Promise<number | null>, Promise<unknown>] {
    const command = [
      ...(this.options.wrapper ?? []),
      process.execPath,
      join(REPOSITORY, 'bin', 'granary.cjs'),
      this.options.program,
    ];
    const child = spawn(command[0] ?? '', command.slice(1), {
      cwd: REPOSITORY,
      env: { PATH: process.env['PATH'] ?? '', ...this.options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.on('data', (chunk: Buffer) => this.keepLog(chunk));
    child.stderr.on('data', (chunk: Buffer) => this.keepLog(chunk));
    running.add(this);
    this.isToEnd = false;
    const exited = once(child, 'exit').then(() => {
      running.delete(this);
      this.log.push(`(ended with code ${child.exitCode}, signal ${child.signalCode})`);
      if (!this.isToEnd) unexpectedEnds.push(this.logTail());
      return child.exitCode;
    });
    return [child, exited, once(child, 'close').catch(() => undefined)];
  }

  private keepLog(chunk: Buffer): void {
    this.log.push(...chunk.toString('utf8').trimEnd().split('\n'));
    if (this.log.length > 2 * LOG_LINES_KEPT) this.log.splice(0, this.log.length - LOG_LINES_KEPT);
  }
}

/** The logs of every server that runs, and of those that ended by themselves, for a test that failed. */
export function serverLogs(): string {
  return [...unexpectedEnds, ...[...running].map(server => server.logTail())].join('\n');
}

/** Ends every server that still runs, by its pid. */
export async function endAllServers(): Promise<void> {
  await Promise.all([...running].map(server => server.kill()));
}
