import type { ErrorCode } from '#contracts';
import type { ChangeName } from '../operations/index.js';

/** What the commit thread is started with. */
export interface CommitThreadData {
  path: string;
  /** What a change has in all, ms. */
  deadlineMs: number;
}

/** What the commit thread is asked: changes that become one group commit, in order. */
export interface CommitGroup {
  changes: readonly GroupedChange[];
}

export interface GroupedChange {
  id: number;
  name: ChangeName;
  args: unknown;
}

/** What it answers: first whether it is ready, then once for each group. */
export type CommitAnswer = { ready: true } | { refused: CommitFailure } | { outcomes: readonly CommitOutcome[] };

export type CommitOutcome = { id: number; result: unknown } | { id: number; failure: CommitFailure };

/** An error, on its way between threads. */
export interface CommitFailure {
  code: ErrorCode;
  message: string;
}
