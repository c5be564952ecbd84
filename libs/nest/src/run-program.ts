import { settleHeap } from '#http';
import type { Logger } from '#telemetry';

export interface RunningProgram {
  /** Where it is reached, for the line that says so. */
  address: string;
  /** Default: `http`. */
  scheme?: 'http' | 'https';
  /** Ends it in good order. Never rejects. */
  stop(): Promise<void>;
}

/** `new (...)` of an error whose message says all that there is to say. */
type ErrorClass = abstract new (...parameters: never[]) => Error;

export interface RunOptions {
  logger: Logger;
  /** A start that fails with one of these is the world's or the operator's doing: one line, no stack. So are errors of the system. */
  expectedErrors?: readonly ErrorClass[];
  /** After this, the process ends even if `stop` has not. */
  stopDeadlineMs: number;
  start: () => Promise<RunningProgram>;
  /** Ctrl-C reaches every process of a terminal: a worker leaves it to its primary, which sends SIGTERM. */
  isInterruptedByPrimary?: boolean;
}

/**
 * The life of a process: start, serve, end in good order on SIGTERM or Ctrl-C (exit 0); at once on the
 * second signal, on a failed start and on an error that nobody caught (exit 1).
 */
export async function runProgram(options: RunOptions): Promise<void> {
  const { logger, stopDeadlineMs, start, expectedErrors = [], isInterruptedByPrimary = false } = options;
  process.on('uncaughtException', error => die(logger, 'an error that nobody caught', error));
  process.on('unhandledRejection', error => die(logger, 'a rejection that nobody handled', error));
  const signalled = firstSignal(logger, isInterruptedByPrimary);
  const starting = start().catch((error: unknown) => failToStart(logger, error, expectedErrors));
  const program = await Promise.race([starting, signalled]);
  if (typeof program === 'string') {
    // A start may wait long for what it needs, and has nothing to lose.
    logger.info(`${program} while starting: stopped`);
    process.exit(0);
  }
  settleHeap();
  logger.info(`listening on ${program.scheme ?? 'http'}://${program.address}`);

  const signal = await signalled;
  logger.info(`${signal}: shutting down`);
  const overdue = setTimeout(
    () => die(logger, `still not shut down after ${stopDeadlineMs} ms`),
    stopDeadlineMs,
  ).unref();
  await program.stop();
  clearTimeout(overdue);
  logger.info('stopped');
  process.exit(0);
}

/** Resolves at the first signal; the second ends the process. */
function firstSignal(logger: Logger, isInterruptedByPrimary: boolean): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let signals = 0;
    const onSignal = (signal: NodeJS.Signals) => {
      signals += 1;
      if (signals > 1) die(logger, `second ${signal}: not waiting any longer`);
      resolve(signal);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', isInterruptedByPrimary ? () => {} : onSignal);
  });
}

function failToStart(logger: Logger, error: unknown, expectedErrors: readonly ErrorClass[]): never {
  if (expectedErrors.some(expected => error instanceof expected)) die(logger, `cannot start: ${messageOf(error)}`);
  if (!isSystemError(error)) die(logger, 'cannot start', error);
  const isTaken = error.syscall === 'listen' && error.code === 'EADDRINUSE';
  die(logger, `cannot start: ${messageOf(error)}${isTaken ? '; another program listens there' : ''}`);
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function die(logger: Logger, message: string, error?: unknown): never {
  if (error === undefined) logger.fatal(message);
  else logger.fatal({ err: error }, message);
  process.exit(1);
}
