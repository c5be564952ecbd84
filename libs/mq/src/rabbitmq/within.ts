import { withDeadline } from '#time';

/** Rejects when the work takes longer. The work itself goes on. */
export function within<T>(timeoutMs: number, what: string, work: Promise<T>): Promise<T> {
  return withDeadline(timeoutMs, work, () => {
    throw new Error(`${what} took more than ${timeoutMs} ms`);
  });
}
