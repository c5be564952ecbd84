import type { ServerFacts } from '#contracts';

/** One data server as a cluster view knows it. Immutable; the view replaces it when something changes. */
export interface Member {
  /** The server id, or `peer:<address>` for a server of another implementation. Placement ranks by it. */
  readonly key: string;
  readonly address: string;
  readonly kind: 'granary' | 'peer';
  /** What it said of itself last; undefined for a peer. */
  readonly facts: ServerFacts | undefined;
  /** Monotonic ms of the last beat believed. */
  readonly lastBeatMs: number;
  /** Wall clock of the same, for people only. */
  readonly lastBeatAt: Date;
  /** Whether the address was asked and answered as the server it claims to be. Nothing is sent to an unproven server. */
  readonly proven: boolean;
  /** A connection to it failed and it has neither answered nor beaten since. */
  readonly suspect: boolean;
}
