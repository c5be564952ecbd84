import { GranaryError } from '#contracts';
import type { MetadataStore } from '#metadata';

type Operation = keyof MetadataStore;
/** Runs before an operation, or in its place when it throws. */
type Interposed = () => void | Promise<void>;

/** A real store, before whose operations a test can do things: fail, or what another API server might just then. */
export interface InterposedMetadata {
  store: MetadataStore;
  /** Before the next call of the operation, once. */
  before: (operation: Operation, act: Interposed) => void;
  /** After the operation has happened, once: its answer is lost, and this comes instead. */
  loseAnswerOf: (operation: Operation, error?: GranaryError) => void;
  /** Until `restore`. */
  breakDown: () => void;
  restore: () => void;
  /** How often each was called. */
  calls: Map<Operation, number>;
}

export function interpose(real: MetadataStore): InterposedMetadata {
  const once = new Map<Operation, Interposed>();
  const lost = new Map<Operation, GranaryError>();
  const calls = new Map<Operation, number>();
  let isDown = false;
  const call = async (operation: Operation, method: (...args: unknown[]) => unknown, args: unknown[]) => {
    calls.set(operation, (calls.get(operation) ?? 0) + 1);
    if (isDown) throw unavailable();
    const act = once.get(operation);
    once.delete(operation);
    await act?.();
    const answer = await method.apply(real, args);
    const error = lost.get(operation);
    if (lost.delete(operation)) throw error;
    return answer;
  };
  const store = new Proxy(real, {
    get: (_, name) => {
      const operation = name as Operation;
      const method = real[operation] as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => call(operation, method, args);
    },
  });
  return {
    store,
    before: (operation, act) => void once.set(operation, act),
    loseAnswerOf: (operation, error = unavailable()) => void lost.set(operation, error),
    breakDown: () => void (isDown = true),
    restore: () => void (isDown = false),
    calls,
  };
}

export function unavailable(): GranaryError {
  return new GranaryError('metadata-unavailable', 'The database does not answer.');
}
