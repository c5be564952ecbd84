/** Where a bus counts what happens to it. Called often: implementations only add to a counter. */
export interface BusMetrics {
  /** A message or a question was handed to the broker. */
  published(): void;
  dropped(cause: DropCause): void;
  /** A handler of ours threw. */
  handlerFailed(): void;
  /** The bus came `up` again after it had been down. */
  reconnected(): void;
}

/** `late-answer`: to a question that is closed, or to none that we know of. */
export type DropCause = 'too-large' | 'late-answer';

/** Where a bus tells people what happens to it; pino's signature. */
export interface BusLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** Both default to nobody listening. */
export interface BusObservers {
  metrics?: BusMetrics;
  logger?: BusLogger;
}

export function observing({ metrics = NO_METRICS, logger = NO_LOGGER }: BusObservers): Required<BusObservers> {
  return { metrics, logger };
}

const nothing = (): void => undefined;

const NO_METRICS: BusMetrics = { published: nothing, dropped: nothing, handlerFailed: nothing, reconnected: nothing };

const NO_LOGGER: BusLogger = { info: nothing, warn: nothing, error: nothing };
