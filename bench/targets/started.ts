import type { Target } from '../target.js';

/** Targets that the benchmark started itself and ends when it is done. */
export interface Started {
  targets: Target[];
  /** The broker's port, where there is one of its own. */
  brokerPort?: number;
  stop(): Promise<void>;
}
