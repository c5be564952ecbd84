import { pino, type DestinationStream } from 'pino';
import { prettyFactory } from 'pino-pretty';

export interface LogFunction {
  (message: string): void;
  (fields: object, message: string): void;
}

/** What every part of the program logs through; handed in, never imported. An error goes into the field `err`. */
export interface Logger {
  readonly trace: LogFunction;
  readonly debug: LogFunction;
  readonly info: LogFunction;
  readonly warn: LogFunction;
  readonly error: LogFunction;
  readonly fatal: LogFunction;
  /** A logger whose lines all carry these fields, e.g. `{ requestId }`. */
  child(fields: object): Logger;
}

export interface LoggerOptions {
  level: string;
  /** `auto`: `pretty` when standard output is a terminal, else `json`. */
  format: 'auto' | 'json' | 'pretty';
  /** Fields of every line, e.g. the program's name. */
  fields?: object;
  /** Default: standard output. */
  destination?: DestinationStream;
}

const SECRET_FIELDS = ['password', 'secret', 'token', 'authorization', 'cookie'];
const URL_PASSWORD = /(\/\/[^/\s:@"]*:)[^/\s@"]+@/g;

/** Lines are written synchronously: the last ones before an exit are the ones that matter most. */
export function createLogger(options: LoggerOptions): Logger {
  const isPretty = options.format === 'pretty' || (options.format === 'auto' && process.stdout.isTTY);
  const output = options.destination ?? pino.destination({ dest: 1, sync: true });
  return pino(
    {
      level: options.level,
      base: options.fields ?? {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap(field => [field, `*.${field}`]), censor: '***' },
      hooks: { streamWrite: maskUrlPasswords },
    },
    isPretty ? prettyOutput(output) : output,
  );
}

export const silentLogger: Logger = pino({ enabled: false });

/** pino-pretty's own stream is asynchronous and loses the last lines when the process exits. */
function prettyOutput(output: DestinationStream): DestinationStream {
  const prettify = prettyFactory({
    colorize: process.stdout.isTTY,
    ignore: 'program',
    translateTime: 'SYS:HH:MM:ss.l',
  });
  return { write: line => output.write(prettify(line)) };
}

/** Errors of clients of a broker or database may quote its URL. */
function maskUrlPasswords(line: string): string {
  return line.includes('@') ? line.replace(URL_PASSWORD, '$1***@') : line;
}
