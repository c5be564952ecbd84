import { describe, expect, it, jest } from '@jest/globals';
import { silentLogger, type Logger } from '#telemetry';
import { runProgram, type RunningProgram, type RunOptions } from './run-program.js';
import { Shutdown } from './shutdown.js';

class Exit extends Error {
  constructor(readonly code: unknown) {
    super(`exit ${String(code)}`);
  }
}

class WrongDirectory extends Error {}

/** Runs it with process.exit throwing, and without the handlers that it leaves on the process. */
async function exitOf(options: Partial<RunOptions> & Pick<RunOptions, 'start'>, whenListening = () => {}) {
  const messages: string[] = [];
  const tell = (...said: unknown[]) => {
    messages.push(String(said.at(-1)));
    if (String(said.at(-1)).startsWith('listening')) setImmediate(whenListening);
  };
  const logger: Logger = { ...silentLogger, info: tell, fatal: tell, child: () => logger };
  const on = jest.spyOn(process, 'on').mockImplementation((event, handler) => {
    handlers.set(String(event), handler);
    return process;
  });
  const exit = jest.spyOn(process, 'exit').mockImplementation(code => {
    throw new Exit(code);
  });
  try {
    await runProgram({ logger, stopDeadlineMs: 60_000, ...options });
    throw new Error('it did not exit');
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    return { code: error.code, messages };
  } finally {
    on.mockRestore();
    exit.mockRestore();
  }
}
const handlers = new Map<string, (...parameters: unknown[]) => void>();

const program =
  (stop = async () => {}): (() => Promise<RunningProgram>) =>
  async () => ({ address: 'host:1', stop });

const failing = (error: Error) => async (): Promise<never> => {
  throw error;
};

const neverDone = (): Promise<never> => {
  setImmediate(() => handlers.get('SIGTERM')?.('SIGTERM'));
  return new Promise(() => {});
};

describe('runProgram', () => {
  it('stops in good order at the first signal', async () => {
    const stop = jest.fn(async () => {});
    const { code, messages } = await exitOf({ start: program(stop) }, () => handlers.get('SIGTERM')?.('SIGTERM'));
    expect([code, stop.mock.calls.length]).toEqual([0, 1]);
    expect(messages).toEqual(['listening on http://host:1', 'SIGTERM: shutting down', 'stopped']);
  });

  it('stops at once at a signal while it starts', async () => {
    expect(await exitOf({ start: neverDone })).toEqual({ code: 0, messages: ['SIGTERM while starting: stopped'] });
  });

  it('says in one line what the system refused', async () => {
    const error = Object.assign(new Error('listen EADDRINUSE: address already in use 127.0.0.1:1'), {
      syscall: 'listen',
      code: 'EADDRINUSE',
    });
    const { code, messages } = await exitOf({ start: failing(error) });
    expect(code).toBe(1);
    expect(messages).toEqual([`cannot start: ${error.message}; another program listens there`]);
  });

  it('says in one line what is expected to go wrong', async () => {
    const start = failing(new WrongDirectory('./store belongs to server ds-2'));
    expect(await exitOf({ start, expectedErrors: [WrongDirectory] })).toEqual({
      code: 1,
      messages: ['cannot start: ./store belongs to server ds-2'],
    });
    expect(await exitOf({ start })).toEqual({ code: 1, messages: ['cannot start'] });
  });
});

describe('Shutdown', () => {
  it('closes in the reverse order, once, and goes on after a failure', async () => {
    const closed: string[] = [];
    const shutdown = new Shutdown(silentLogger);
    shutdown.add('store', () => void closed.push('store'));
    shutdown.add('bus', () => Promise.reject(new Error('broken')));
    shutdown.add('http', async () => void closed.push('http'));
    expect(shutdown.hasBegun).toBe(false);
    await Promise.all([shutdown.run(), shutdown.run()]);
    expect(closed).toEqual(['http', 'store']);
    expect(shutdown.hasBegun).toBe(true);
  });
});
