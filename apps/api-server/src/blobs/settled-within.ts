import { withDeadline } from '#time';

/** Whether the work, be it done or failed, was over in this time. Never rejects. */
export function settledWithin(timeoutMs: number, work: Promise<unknown>): Promise<boolean> {
  return withDeadline(timeoutMs, work.then(over, over), () => false);
}

function over(): boolean {
  return true;
}
